"""The kinds of stage that a mixture is made of, each in a file of its own."""

from __future__ import annotations

from moa_graph.stages import (
    accept,
    additions,
    aggregate,
    analyse,
    cluster_and_filter,
    combine,
    critique,
    diverse,
    incorporate,
    judge,
    moderate,
    propose,
    rank,
    refine,
    residual,
    route,
    score,
    stop,
    vote,
)
from moa_graph.stages.base import Scene, Seat, Site, Stage, register, stage_kinds
from moa_graph.stages.fan_out import FanOut

__all__ = [
    "FanOut",
    "Scene",
    "Seat",
    "Site",
    "Stage",
    "accept",
    "additions",
    "aggregate",
    "analyse",
    "cluster_and_filter",
    "combine",
    "critique",
    "diverse",
    "incorporate",
    "judge",
    "moderate",
    "propose",
    "rank",
    "refine",
    "register",
    "residual",
    "route",
    "score",
    "stage_kinds",
    "stop",
    "vote",
]
