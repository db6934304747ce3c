"""A strategy for each tag: what is enough for easy kinds of prompts costs less than what is enough for all of them.

Whichever share of dollars one error is worth, each tag's best trade between its own cost and its own errors is also the
best for the whole. So a sequence of such prices gives a front of strategies by tag, from cheap to safe. A tag has few
prompts: its estimates are drawn towards those of all prompts, as far as tags differ no more than chance would have it
(empirical Bayes; Morris 1983, JASA 78, 47-55).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moa_graph.evaluation.estimates import Estimates
from moa_graph.evaluation.shrinkage import shrunk, smoothed
from moa_graph.evaluation.strategies import Strategy, TaggedStrategy

__all__ = ["Tagged", "find_tagged"]

Floats = NDArray[np.float64]

PRICES = np.geomspace(0.5, 500, 60)
"""Of an error, in mean costs of a prompt of the rival that is most often right."""
SMOOTHED = 0.7
"""Share of what is peculiar to a strategy on a tag that comes from the regression on its make-up."""
AS_ALL = 5
"""Prompts of each tag that are taken to cost what all do, before its own are seen."""
REACH = 1.64
"""Standard errors at the test's boundary."""


@dataclass(frozen=True)
class Tagged:
    """A strategy by tag, with what it seems to do.

    Args:
        strategy: The strategy.
        wins: As in :class:`moa_graph.evaluation.estimates.Estimates`, by rival.
        losses: The same.
        paid: Mean cost of a prompt.
    """

    strategy: TaggedStrategy
    wins: Floats
    losses: Floats
    paid: float


def find_tagged(
    strategies: tuple[Strategy, ...], seen: Estimates, default: int, *, models: int, prompts: int
) -> list[Tagged]:
    """Strategies by tag, from the cheapest to the safest; none where the tags aren't known.

    Args:
        strategies: What may be done with a tag.
        seen: What each seems to do, by tag.
        default: Row of the strategy for prompts of any other tag: the safest.
        models: How many there are.
        prompts: Number of prompts in the test.
    """
    if not seen.by_tag:
        return []
    wins, losses = (_by_tag(strategies, seen, name, models) for name in ("wins", "losses"))
    sizes = np.array([[part.prompts] for part in seen.by_tag.values()])
    paid = np.stack([part.paid for part in seen.by_tag.values()])
    paid = (paid * sizes + AS_ALL * seen.paid) / (sizes + AS_ALL)
    shares, rows = sizes[:, 0] / seen.prompts, np.arange(len(sizes))
    harm = _harm(seen, wins, losses, prompts)
    rival_paid = float(seen.paid[_strongest_alone(strategies, seen)])

    def whole(values: Floats, picked: NDArray[np.intp], of_all: Floats) -> Floats:
        return np.asarray(np.tensordot(shares, values[rows, picked], 1) + seen.untagged * of_all[default])

    found: dict[TaggedStrategy, Tagged] = {}
    for price in PRICES * rival_paid:
        picked = (paid + price * harm).argmin(axis=1)
        chosen = tuple(zip(seen.by_tag, (strategies[row] for row in picked), strict=True))
        strategy = TaggedStrategy(strategies[default], chosen)
        if len(strategy.parts) > 1 and strategy not in found:
            found[strategy] = Tagged(
                strategy,
                whole(wins, picked, seen.wins),
                whole(losses, picked, seen.losses),
                float(whole(paid, picked, seen.paid)),
            )
    return list(found.values())


def _strongest(seen: Estimates) -> int:
    """Index of the most accurate rival."""
    return int((seen.losses - seen.wins).mean(axis=0).argmax())


def _strongest_alone(strategies: tuple[Strategy, ...], seen: Estimates) -> int:
    """Row of the most accurate single model."""
    singles = [row for row, strategy in enumerate(strategies) if strategy.kind == "single"]
    gaps = (seen.losses - seen.wins)[singles].mean(axis=1)
    return singles[int(gaps.argmin())]


def _harm(seen: Estimates, wins: Floats, losses: Floats, prompts: int) -> Floats:
    """Tag by strategy, what counts against it in the test: its deficit, and the discordance that hides what is so."""
    rival = _strongest(seen)
    won, lost = wins[:, :, rival], losses[:, :, rival]
    usual = max(float(np.median(seen.wins[:, rival] + seen.losses[:, rival])), 1e-3)
    return np.asarray(lost - won + REACH / (2 * np.sqrt(usual * prompts)) * (won + lost))


def _by_tag(strategies: tuple[Strategy, ...], seen: Estimates, name: str, models: int) -> Floats:
    """Tag by strategy by rival, the rates, drawn towards those of all prompts."""
    whole: Floats = getattr(seen, name)
    sizes = np.array([part.prompts for part in seen.by_tag.values()])
    own = np.stack([getattr(part, name) for part in seen.by_tag.values()])
    level = _levels(own.mean(axis=1), whole.mean(axis=0), sizes)[:, None]
    expected = np.minimum(level * whole, 1)
    peculiar, noise = own - expected, (expected * (1 - expected)).mean(axis=(1, 2)) / sizes
    varied = max(float(np.average((peculiar**2).mean(axis=(1, 2)) - noise, weights=sizes)), 0.0)
    trusted = (varied / (varied + noise + 1e-12))[:, None, None]
    regressed = np.stack([smoothed(strategies, part, models) for part in peculiar])
    drawn = trusted * ((1 - SMOOTHED) * peculiar + SMOOTHED * regressed)
    return np.asarray(np.maximum(level * shrunk(strategies, whole, models) + drawn, 0))


def _levels(own: Floats, whole: Floats, sizes: NDArray[np.int64]) -> Floats:
    """Tag by rival, how many times as often as on all prompts, in the mean of all strategies."""
    noise = whole * (1 - whole) / sizes[:, None]
    varied = np.maximum(np.average((own - whole) ** 2 - noise, axis=0, weights=sizes), 0)
    trusted = varied / (varied + noise + 1e-12)
    return np.asarray((whole + trusted * (own - whole)) / np.maximum(whole, 1e-9))
