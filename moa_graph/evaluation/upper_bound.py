"""Upper bounds: how often the right answer is among several, however one is chosen.

Source of pass@k: Chen et al. 2021, arXiv 2107.03374, section 2.1: unbiased. The oracle is that of all models.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np

from moa_graph.errors import InputError
from moa_graph.evaluation.recordings import Recordings

__all__ = ["UpperBound", "pass_at_k", "upper_bound"]


@dataclass(frozen=True)
class UpperBound:
    """What choosing among recorded answers could reach at most, in shares of prompts.

    Args:
        prompts: Labelled prompts that it was found on.
        best: The model that is right most often.
        best_alone: How often it is.
        oracle: How often at least one model is right: pass@k for all of them.
        pass_at_k: k -> how often at least one of k models, drawn at random, is right.
    """

    prompts: int
    best: str
    best_alone: float
    oracle: float
    pass_at_k: dict[int, float]


def upper_bound(recordings: Recordings) -> UpperBound:
    """The upper bounds of whatever chooses among recorded answers: votes, judges, rankers, routers, cascades.

    A mixture that writes a new answer may exceed them, since it isn't limited to what was proposed.

    Raises:
        InputError: No prompt is labelled.
    """
    part = recordings.some(recordings.labelled)
    if not len(part):
        raise InputError(f"{recordings.file}: no row has a reference answer.")
    right = part.answers == part.right[:, None]
    alone, found, models = right.mean(axis=0), right.sum(axis=1), len(part.models)
    best = int(alone.argmax())
    return UpperBound(
        prompts=len(part),
        best=part.models[best],
        best_alone=float(alone[best]),
        oracle=float(right.any(axis=1).mean()),
        pass_at_k={k: float(np.mean([pass_at_k(models, int(one), k) for one in found])) for k in range(1, models + 1)},
    )


def pass_at_k(answers: int, right: int, k: int) -> float:
    """The chance that at least one of ``k`` answers, drawn from ``answers`` of which ``right`` are right, is right."""
    return 1.0 - comb(answers - right, k) / comb(answers, k)
