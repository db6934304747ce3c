"""The kinds of stage that a mixture is made of, each in a file of its own, and what a stage of one's own is made of.

Everything that a stage outside of this package needs is here: see docs/stages.md.
"""

from __future__ import annotations

from moa_graph.extract import Extract, extractor, plurality
from moa_graph.registry import preset
from moa_graph.stage_kit.asking import ModelStage
from moa_graph.stage_kit.base import Stage, register, stage_kinds
from moa_graph.stage_kit.bound import BoundSlot, BoundStage
from moa_graph.stage_kit.closing import closing_update
from moa_graph.stage_kit.fan_out import FanOut
from moa_graph.stage_kit.node import Node
from moa_graph.stage_kit.requests import Task
from moa_graph.stage_kit.run_context import RunContext
from moa_graph.stage_kit.selection import Choice, Selection, by_number, origin, selected_update, shuffled
from moa_graph.stage_kit.single import SingleSlot
from moa_graph.stages.accept import Accept
from moa_graph.stages.additions import Additions
from moa_graph.stages.aggregate import Aggregate
from moa_graph.stages.analyse import Analyse
from moa_graph.stages.by_tag import ByTag
from moa_graph.stages.cluster_and_filter import ClusterAndFilter
from moa_graph.stages.combine import Combine
from moa_graph.stages.critique import Critique
from moa_graph.stages.diverse import Diverse
from moa_graph.stages.incorporate import Incorporate
from moa_graph.stages.judge import Judge
from moa_graph.stages.moderate import Moderate
from moa_graph.stages.propose import Propose
from moa_graph.stages.rank import Rank
from moa_graph.stages.refine import Refine
from moa_graph.stages.residual import Residual
from moa_graph.stages.route import Route
from moa_graph.stages.score import Score
from moa_graph.stages.stop import Stop
from moa_graph.stages.vote import Vote
from moa_graph.state import Call, MoaState, Record, live, of_stage, shown_text
from moa_graph.views import Prompt

__all__ = [
    "Accept",
    "Additions",
    "Aggregate",
    "Analyse",
    "BoundSlot",
    "BoundStage",
    "ByTag",
    "Call",
    "Choice",
    "ClusterAndFilter",
    "Combine",
    "Critique",
    "Diverse",
    "Extract",
    "FanOut",
    "Incorporate",
    "Judge",
    "MoaState",
    "ModelStage",
    "Moderate",
    "Node",
    "Prompt",
    "Propose",
    "Rank",
    "Record",
    "Refine",
    "Residual",
    "Route",
    "RunContext",
    "Score",
    "Selection",
    "SingleSlot",
    "Stage",
    "Stop",
    "Task",
    "Vote",
    "by_number",
    "closing_update",
    "extractor",
    "live",
    "of_stage",
    "origin",
    "plurality",
    "preset",
    "register",
    "selected_update",
    "shown_text",
    "shuffled",
    "stage_kinds",
]
