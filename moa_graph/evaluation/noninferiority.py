"""Is one system not worse than another by more than a margin? An exact test for paired right and wrong answers.

Two systems answer the same ``n`` prompts. ``wins`` counts the prompts that only the first gets right, ``losses``
those that only the second does; the others say nothing about the difference. The statistic is the efficient score of
Tango 1998 (Statistics in Medicine 17, 891-908). Its own normal approximation errs where discordant pairs are few, which
is where certificates are decided; so the p-value is the largest probability over the nuisance parameter, the rate of
wins, as in Hsueh, Liu and Chen 2001 (Biometrics 57, 478-483). Given the number of discordant pairs the statistic falls
with every loss, so that each probability is a sum of binomial tails.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import binom, norm

__all__ = [
    "critical_score",
    "least_prompts",
    "p_value",
    "power",
    "rejects",
    "restricted_rate",
    "score",
    "size",
    "tango_interval",
]

Floats = NDArray[np.float64]

PEAKS = 6
"""Highest points of the first, coarse look over the nuisance parameter that are looked at more closely."""
NEGLIGIBLE = 1e-10
"""Probability of the numbers of discordant pairs that are left out, counted as if they all rejected."""


def score(wins: ArrayLike, losses: ArrayLike, prompts: int, margin: float) -> Floats:
    """Tango's score statistic against "worse by ``margin`` or more": large where the first system isn't worse.

    Args:
        wins: Prompts that only the first system gets right.
        losses: Prompts that only the second gets right.
        prompts: All prompts, concordant ones too.
        margin: Largest tolerated loss of accuracy, as a share: 0.01 is one point. Above 0.
    """
    won, lost = np.asarray(wins, float) / prompts, np.asarray(losses, float) / prompts
    variance = 2 * restricted_rate(won, lost, margin) + margin * (1 - margin)
    return np.asarray((won - lost + margin) * np.sqrt(prompts / variance))


def restricted_rate(win_rate: ArrayLike, loss_rate: ArrayLike, margin: float) -> Floats:
    """Likeliest rate of wins given what was seen, if the first system were worse by exactly ``margin``."""
    won, lost = np.asarray(win_rate, float), np.asarray(loss_rate, float)
    linear = -(won + lost) + (2 + won - lost) * margin
    return np.asarray((np.sqrt(linear**2 + 8 * won * margin * (1 - margin)) - linear) / 4)


def p_value(wins: int, losses: int, prompts: int, margin: float) -> float:
    """Largest probability of a score at least this high where the first system is worse by ``margin`` or more."""
    return size(float(score(wins, losses, prompts, margin)), prompts, margin)


def rejects(wins: ArrayLike, losses: ArrayLike, prompts: int, margin: float, level: float) -> NDArray[np.bool_]:
    """Whether the test at ``level`` says "not worse by more than ``margin``"."""
    return score(wins, losses, prompts, margin) >= critical_score(prompts, margin, level)


def size(threshold: float, prompts: int, margin: float) -> float:
    """Largest probability, over all rates of wins, of a score of ``threshold`` or more at the test's boundary."""
    tolerated = _tolerated_losses(threshold, prompts, margin)
    rates = _nuisance_rates(prompts, margin)
    found = np.array([_probability(rate, rate + margin, tolerated, prompts) for rate in rates])
    largest = float(found.max())
    for best in found.argsort()[-PEAKS:]:
        finer = np.linspace(rates[max(best - 1, 0)], rates[min(best + 1, len(rates) - 1)], 11)
        largest = max(largest, *(_probability(rate, rate + margin, tolerated, prompts) for rate in finer))
    return largest


@lru_cache(maxsize=4096)
def critical_score(prompts: int, margin: float, level: float) -> float:
    """Least score at which the exact test rejects: the least with a size of at most ``level``."""
    low, high = 0.0, 12.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if size(middle, prompts, margin) <= level else (middle, high)
    return high


def power(win_rate: ArrayLike, loss_rate: ArrayLike, prompts: int, margin: float, level: float) -> Floats:
    """Probability that the test rejects, at the true rates of wins and losses; on a grid, and interpolated between."""
    tolerated = _tolerated_losses(critical_score(prompts, margin, level), prompts, margin)
    wins, losses = np.broadcast_arrays(np.asarray(win_rate, float), np.asarray(loss_rate, float))
    found = [
        _probability(float(won), float(lost), tolerated, prompts)
        for won, lost in zip(wins.ravel(), losses.ravel(), strict=True)
    ]
    return np.asarray(found).reshape(wins.shape)


def least_prompts(margin: float, level: float) -> int:
    """Fewest prompts with which any certificate can be given: no loss at all on as many as this."""
    return int(np.ceil(np.log(level) / np.log1p(-margin)))


def _tolerated_losses(threshold: float, prompts: int, margin: float) -> NDArray[np.int64]:
    """For each number of discordant pairs, the most losses with which the score reaches ``threshold``; -1 for none.

    The score falls with every loss, so the most is found by bisection, for all numbers at once.
    """
    discordant = np.arange(prompts + 1)
    low, high = np.full(prompts + 1, -1), discordant.copy()
    while (low < high).any():
        middle = (low + high + 1) // 2
        reached = score(discordant - middle, middle, prompts, margin) >= threshold
        low, high = np.where(reached, middle, low), np.where(reached, high, middle - 1)
    return low


def _nuisance_rates(prompts: int, margin: float) -> Floats:
    """Rates of wins from none to the most that the boundary leaves, close together at both ends."""
    most = (1 - margin) / 2
    steps = np.geomspace(min(0.02 / prompts, most / 2), most, 120)
    return np.unique(np.concatenate([[0.0], steps, most - steps[:-1:2]]))


def _probability(win_rate: float, loss_rate: float, tolerated: NDArray[np.int64], prompts: int) -> float:
    """Probability of at most the tolerated losses among the discordant pairs."""
    discordant = win_rate + loss_rate
    if discordant <= 0:
        return float(tolerated[0] >= 0)
    first, last = binom.ppf([NEGLIGIBLE, 1 - NEGLIGIBLE], prompts, min(discordant, 1.0))
    pairs = np.arange(int(max(first, 0)), int(last) + 1)
    share = min(loss_rate / discordant, 1.0)
    chance = binom.pmf(pairs, prompts, min(discordant, 1.0)) * binom.cdf(tolerated[pairs], pairs, share)
    return float(min(chance.sum() + 2 * NEGLIGIBLE, 1.0))


def tango_interval(wins: int, losses: int, prompts: int, confidence: float = 0.95) -> tuple[float, float]:
    """Tango's score interval for the difference of two paired proportions, two-sided, as shares.

    Args:
        wins: Prompts that only the first system gets right.
        losses: Prompts that only the second gets right.
        prompts: All prompts.
        confidence: Confidence level of the interval.
    """
    reach = float(norm.ppf((1 + confidence) / 2))
    estimate = (wins - losses) / prompts

    def lowest(won: int, lost: int) -> float:
        """The least difference that the score doesn't refuse."""

        def above(difference: float) -> float:
            return _signed_score(won, lost, prompts, difference) - reach

        if above(-1 + 1e-12) <= 0:
            return -1.0
        return float(brentq(above, -1 + 1e-12, min((won - lost) / prompts, 1 - 1e-12), xtol=1e-12))

    low = lowest(wins, losses) if estimate > -1 else -1.0
    high = -lowest(losses, wins) if estimate < 1 else 1.0
    return low, high


def _signed_score(wins: int, losses: int, prompts: int, difference: float) -> float:
    """The score against a difference of any sign."""
    linear: Any = -(wins + losses) - (2 * prompts + wins - losses) * difference
    constant = wins * difference * (1 + difference)
    rate = (np.sqrt(max(linear**2 - 8 * prompts * constant, 0.0)) - linear) / (4 * prompts)
    variance = prompts * (2 * rate - difference * (1 + difference))
    distance = wins - losses - prompts * difference
    if variance <= 0:
        return 0.0 if distance == 0 else float(np.copysign(np.inf, distance))
    return float(distance / np.sqrt(variance))
