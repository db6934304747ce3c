"""Noisy estimates drawn towards what strategies' make-up suggests: of thousands, the best looking is mostly lucky."""

from __future__ import annotations

import itertools
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from moa_graph.evaluation.strategies import Strategy

__all__ = ["shrunk", "smoothed"]

Floats = NDArray[np.float64]

SHRUNK = 0.35
"""Share of an estimate that comes from the regression."""
RIDGE = 5.0


def shrunk(strategies: tuple[Strategy, ...], rates: Floats, models: int) -> Floats:
    """Rates, one row a strategy, drawn towards a ridge regression on the models, their pairs and the make-up."""
    return (1 - SHRUNK) * rates + SHRUNK * np.maximum(smoothed(strategies, rates, models), 0)


def smoothed(strategies: tuple[Strategy, ...], values: Floats, models: int) -> Floats:
    """What the regression alone says of values, one row a strategy."""
    made, solved = _make_up(strategies, models)
    return np.asarray(made @ (solved @ values))


@lru_cache(maxsize=4)
def _make_up(strategies: tuple[Strategy, ...], models: int) -> tuple[Floats, Floats]:
    """What each strategy is made of, and what turns estimates for all of them into a ridge regression's weights."""
    pairs = {pair: place for place, pair in enumerate(itertools.combinations(range(models), 2))}
    make_up, lengths = 2 * models + len(pairs), max(len(strategy.models) for strategy in strategies)
    made: Floats = np.zeros((len(strategies), make_up + 4 + lengths + 1))
    for row, strategy in enumerate(strategies):
        chosen = list(strategy.models)
        made[row, chosen] = 1
        if strategy.kind != "vote":
            made[row, models + chosen[-1]] = 2  # whose answer counts where nobody agrees
        for one, other in itertools.combinations(sorted(chosen), 2):
            made[row, 2 * models + pairs[one, other]] = 1 / (len(chosen) - 1)
        made[row, make_up + (0 if strategy.kind == "vote" else strategy.votes)] = 2
        made[row, make_up + 4 + len(chosen)] = 2
    return made, np.asarray(np.linalg.solve(made.T @ made + RIDGE * np.eye(made.shape[1]), made.T), np.float64)
