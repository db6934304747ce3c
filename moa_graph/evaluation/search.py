"""Which strategies to test, and in which order: the safest first, then ever cheaper ones.

The order only decides how often a certificate is reached and how much it saves, never whether it is true: it is found
on other prompts than those that test. Each strategy's rates of wins and losses against each rival are estimated, and
shrunk towards what its models, their pairs and its form let expect (a ridge regression over all strategies): of
thousands of noisy estimates, the best looking one is mostly lucky.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from moa_graph.evaluation.dawid_skene import credit_of_agreement
from moa_graph.evaluation.noninferiority import critical_score, restricted_rate
from moa_graph.evaluation.strategies import Strategy, play

__all__ = ["NEAR_BY_AGREEMENT", "Estimates", "credit_of_labels", "estimate", "estimate_by_agreement", "find_order"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int16]

BLOCK = 256
"""Strategies played at once, which bounds the memory."""
SHRUNK = 0.35
"""Share of an estimate that comes from the regression."""
RIDGE = 5.0
MOST_TESTS = 6
LEAST_POWER = 0.15
"""Predicted power below which a strategy isn't worth a test."""
DEPENDENCE = 0.5
"""How much of an earlier test's chance to fail counts again in a later one's: 0 if that one passes only with it."""
NEAR, NEAR_BY_AGREEMENT = (0.003, 0.035), (0.012, 0.06)
"""Predicted power that is given up for a first strategy that costs less: at least, and at most where none is safe."""


def credit_of_labels(answers: NDArray[np.int16], right: NDArray[np.int16]) -> Floats:
    """1 for each right code of each prompt, as a matrix of prompt by code; the last column is "no answer"."""
    codes = int(answers.max(initial=0)) + 1
    credit = np.zeros((len(answers), codes + 1))
    known = right >= 0
    credit[np.flatnonzero(known), right[known]] = 1.0
    return credit


@dataclass(frozen=True)
class Estimates:
    """What strategies seem to do, one row a strategy.

    Args:
        wins: Rate of prompts that the strategy alone answers rightly, by rival.
        losses: Rate of those that the rival alone does.
        paid: Mean cost of a prompt.
        prompts: How many they were found on.
        near: Predicted power that is given up for a first strategy that costs less, at least and at most.
    """

    wins: Floats
    losses: Floats
    paid: Floats
    prompts: int
    near: tuple[float, float] = NEAR


def estimate(
    strategies: Sequence[Strategy], answers: Codes, costs: Floats, credit: Floats, rivals: Sequence[int]
) -> Estimates:
    """What each strategy does on some prompts, block by block, so that memory stays bounded.

    Args:
        strategies: Those to estimate.
        answers: Codes of the models' answers.
        costs: US dollars of these answers.
        credit: Prompt by code, the probability that the answer is right; the last column, for no answer, is 0.
        rivals: Columns of the models that must not be lost to.
    """
    columns = list(rivals)
    wins, losses = np.empty((len(strategies), len(columns))), np.empty((len(strategies), len(columns)))
    paid = np.empty(len(strategies))
    rows = np.arange(len(answers))
    earned = np.array([credit[rows, answers[:, rival]].mean() for rival in columns])
    worth = [_worth(answers[:, columns], credit, code) for code in range(credit.shape[1] - 1)]
    for start in range(0, len(strategies), BLOCK):
        block = slice(start, start + BLOCK)
        played = play(strategies[block], answers, costs)
        paid[block] = played.costs.mean(axis=1)
        sums = np.zeros((len(played.answers), len(columns) + 1))
        for code, (where, share) in enumerate(worth):
            sums += (played.answers[:, where] == code).astype(np.float32) @ share
        sums /= len(answers)
        both = sums[:, :-1]  # the strategy and the rival give the same answer, and it is right
        wins[block], losses[block] = np.maximum(sums[:, -1:] - both, 0), np.maximum(earned - both, 0)
    return Estimates(wins, losses, paid, len(answers))


def _worth(rivals: Codes, credit: Floats, code: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Prompts on which a code may be right, and by how much, where each rival gives it too, and at all (last)."""
    where = np.flatnonzero(credit[:, code] > 0)
    share = credit[where, code][:, None]
    return where, np.hstack([(rivals[where] == code) * share, share]).astype(np.float32)


def estimate_by_agreement(
    strategies: Sequence[Strategy], answers: Codes, costs: Floats, rivals: Sequence[int]
) -> Estimates:
    """The same without a label: what is right is guessed from which models agree."""
    return replace(estimate(strategies, answers, costs, credit_of_agreement(answers), rivals), near=NEAR_BY_AGREEMENT)


def find_order(
    strategies: Sequence[Strategy], seen: Estimates, *, models: int, prompts: int, margin: float, level: float
) -> list[Strategy]:
    """At most six strategies to test in this order.

    Args:
        strategies: Those to choose from.
        seen: What they seem to do, on other prompts than those that will test.
        models: How many there are.
        prompts: How many will test.
        margin: Largest tolerated loss of accuracy, as a share.
        level: Of the test.
    """
    made, solved = _make_up(tuple(strategies), models)
    wins = (1 - SHRUNK) * seen.wins + SHRUNK * np.maximum(made @ (solved @ seen.wins), 0)
    losses = (1 - SHRUNK) * seen.losses + SHRUNK * np.maximum(made @ (solved @ seen.losses), 0)
    chances = _predicted_power(wins, losses, seen.prompts, prompts, margin, level).prod(axis=1)
    safest = float(chances.max())
    least, most = seen.near
    safe = np.flatnonzero(chances >= safest - min(least + 15 * most * (1 - safest), most))
    first = int(safe[seen.paid[safe].argmin()])
    return [strategies[place] for place in _most_saving(first, chances, seen.paid)]


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


@lru_cache(maxsize=4)
def _make_up(strategies: tuple[Strategy, ...], models: int) -> tuple[Floats, Floats]:
    """What each strategy is made of, and what turns estimates for all of them into a ridge regression's weights."""
    pairs = {pair: place for place, pair in enumerate(itertools.combinations(range(models), 2))}
    form, lengths = 2 * models + len(pairs), max(len(strategy.models) for strategy in strategies)
    made: Floats = np.zeros((len(strategies), form + 4 + lengths + 1))
    for row, strategy in enumerate(strategies):
        chosen = list(strategy.models)
        made[row, chosen] = 1
        if strategy.kind != "vote":
            made[row, models + chosen[-1]] = 2  # whose answer counts where nobody agrees
        for one, other in itertools.combinations(sorted(chosen), 2):
            made[row, 2 * models + pairs[one, other]] = 1 / (len(chosen) - 1)
        made[row, form + (0 if strategy.kind == "vote" else strategy.votes)] = 2
        made[row, form + 4 + len(chosen)] = 2
    return made, np.asarray(np.linalg.solve(made.T @ made + RIDGE * np.eye(made.shape[1]), made.T), np.float64)


def _predicted_power(wins: Floats, losses: Floats, seen: int, prompts: int, margin: float, level: float) -> Floats:
    """Chance that the test rejects on new prompts, with the estimates' own error reckoned in."""
    win, loss = (wins * seen + 0.5) / (seen + 1.5), (losses * seen + 1) / (seen + 1.5)
    difference = win - loss
    spread = np.sqrt(np.maximum(win + loss - difference**2, 1e-9) * (1 / seen + 1 / prompts))
    at_boundary = np.sqrt((2 * restricted_rate(win, loss, margin) + margin * (1 - margin)) / prompts)
    return np.asarray(norm.cdf((difference + margin - critical_score(prompts, margin, level) * at_boundary) / spread))
