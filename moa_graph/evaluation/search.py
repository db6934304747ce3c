"""Which strategies to test, and in which order: the safest first, then ever cheaper ones.

The order only decides how often a certificate is reached and how much it saves, never whether it is true: it is found
on prompts other than those of the test. Each strategy's rates of wins and losses against each rival are estimated, and
shrunk towards what its models, their pairs and its make-up suggest (a ridge regression over all strategies): of
thousands of noisy estimates, the best looking one is mostly lucky.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from moa_graph.evaluation.estimates import Estimates
from moa_graph.evaluation.noninferiority import critical_score, restricted_rate
from moa_graph.evaluation.search_by_tag import find_tagged
from moa_graph.evaluation.shrinkage import shrunk
from moa_graph.evaluation.strategies import AnyStrategy, Strategy, TaggedStrategy

__all__ = ["find_order", "lead"]

Floats = NDArray[np.float64]

MOST_TESTS = 6
LEAST_POWER = 0.15
"""Predicted power below which a strategy isn't tested."""
BELIEVED_BY_TAG = 0.95
"""Part of a strategy by tag's predicted power that is believed for the first test, whose failure ends all: it was the
best looking on each tag anew."""
DEPENDENCE = 0.5
"""How much of an earlier test's chance to fail counts again in a later one's: 0 if that one passes only with it."""


def find_order(
    strategies: Sequence[Strategy], seen: Estimates, *, models: int, prompts: int, margin: float, level: float
) -> list[AnyStrategy]:
    """At most six strategies to test in this order; among them such as differ by the prompt's tag, where that is known.

    Args:
        strategies: Those to choose from.
        seen: What they seem to do, on other prompts than those that will test.
        models: How many there are.
        prompts: Number of prompts in the test.
        margin: Largest tolerated loss of accuracy, as a share.
        level: Level of the test.
    """
    wins, losses = (shrunk(tuple(strategies), rates, models) for rates in (seen.wins, seen.losses))
    chances = _predicted_power(wins, losses, seen.prompts, prompts, margin, level).prod(axis=1)
    candidates: list[AnyStrategy] = [*strategies]
    paid = seen.paid
    if tagged := find_tagged(tuple(strategies), seen, int(chances.argmax()), models=models, prompts=prompts):
        candidates += [one.strategy for one in tagged]
        paid = np.append(paid, [one.paid for one in tagged])
        wins, losses = (np.stack([getattr(one, name) for one in tagged]) for name in ("wins", "losses"))
        more = _predicted_power(wins, losses, seen.prompts, prompts, margin, level).prod(axis=1)
        chances = np.append(chances, more)
    sure = np.where(np.arange(len(candidates)) < len(strategies), chances, BELIEVED_BY_TAG * chances)
    safest = float(sure.max())
    least, most = seen.near
    safe = np.flatnonzero(sure >= safest - min(least + 15 * most * (1 - safest), most))
    first = int(safe[paid[safe].argmin()])
    return [candidates[place] for place in _most_saving(first, np.minimum(chances, chances[first]), paid)]


def lead(strategy: AnyStrategy, strategies: Sequence[Strategy], seen: Estimates) -> Floats:
    """Estimated lead in accuracy over each rival, as a share."""
    if isinstance(strategy, Strategy):
        row = strategies.index(strategy)
        return np.asarray(seen.wins[row] - seen.losses[row])
    return _lead_by_tag(strategy, strategies, seen)


def _lead_by_tag(strategy: TaggedStrategy, strategies: Sequence[Strategy], seen: Estimates) -> Floats:
    """The mean over tags, and over the prompts of no tag that has a strategy of its own."""
    ahead = lead(strategy.default, strategies, seen) * seen.untagged
    for tag, own in strategy.by_tag:
        ahead = ahead + lead(own, strategies, seen.by_tag[tag]) * seen.by_tag[tag].prompts / seen.prompts
    return ahead


def _most_saving(first: int, chances: Floats, paid: Floats) -> list[int]:
    """The sequence of tests, from ``first`` on, with the largest expected saving: a test that fails ends it.

    Found among the strategies that cost less than all that are as safe, by dynamic programming over the last test and
    the number of tests.
    """
    front = [first]
    for place in np.argsort(-chances, kind="stable"):
        if LEAST_POWER <= chances[place] <= chances[first] and paid[place] < paid[front[-1]]:
            front.append(int(place))
    chance, price = chances[front], paid[front]
    saved = np.full((len(front), MOST_TESTS), -np.inf)
    before = np.zeros(saved.shape, int)
    saved[0, 0] = 0.0
    for last in range(1, len(front)):
        gain = (price[:last] - price[last]) * chance[last] * chance[:last] ** DEPENDENCE
        for tests in range(1, MOST_TESTS):
            found = saved[:last, tests - 1] + gain
            before[last, tests] = found.argmax()
            saved[last, tests] = found.max()
    last, tests = (int(one) for one in np.unravel_index(saved.argmax(), saved.shape))
    order: list[int] = []
    while last:
        order.append(front[last])
        last, tests = int(before[last, tests]), tests - 1
    return [first, *reversed(order)]


def _predicted_power(wins: Floats, losses: Floats, seen: int, prompts: int, margin: float, level: float) -> Floats:
    """Chance that the test rejects on new prompts, with the estimates' own error reckoned in."""
    win, loss = (wins * seen + 0.5) / (seen + 1.5), (losses * seen + 1) / (seen + 1.5)
    difference = win - loss
    spread = np.sqrt(np.maximum(win + loss - difference**2, 1e-9) * (1 / seen + 1 / prompts))
    at_boundary = np.sqrt((2 * restricted_rate(win, loss, margin) + margin * (1 - margin)) / prompts)
    return np.asarray(norm.cdf((difference + margin - critical_score(prompts, margin, level) * at_boundary) / spread))
