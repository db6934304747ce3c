"""Which strategies to test, and in which order: the safest first, then ever cheaper ones.

The order only decides how often a certificate is reached and how much it saves, never whether it is true: it is found
on other prompts than those that test. Each strategy's rates of wins and losses against each rival are estimated, and
shrunk towards what its models, their pairs and its form let expect (a ridge regression over all strategies): of
thousands of noisy estimates, the best looking one is mostly lucky.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from moa_graph.evaluation.noninferiority import critical_score, restricted_rate
from moa_graph.evaluation.strategies import Strategy, play

__all__ = ["credit_of_labels", "find_order"]

Floats = NDArray[np.float64]

BLOCK = 256
"""Strategies played at once, which bounds the memory."""
SHRUNK = 0.35
"""Share of an estimate that comes from the regression."""
RIDGE = 5.0
SAFEST = 0.01
"""The first strategy is the cheapest whose predicted power is within this of the highest."""
LEVELS = (0.9, 0.75, 0.55, 0.35, 0.15)
"""After it, the cheapest strategy whose predicted power is at least each of these."""


def credit_of_labels(answers: NDArray[np.int16], right: NDArray[np.int16]) -> Floats:
    """1 for each right code of each prompt, as a matrix of prompt by code; the last column is "no answer"."""
    codes = int(answers.max(initial=0)) + 1
    credit = np.zeros((len(answers), codes + 1))
    known = right >= 0
    credit[np.flatnonzero(known), right[known]] = 1.0
    return credit


def find_order(
    strategies: Sequence[Strategy],
    answers: NDArray[np.int16],
    costs: Floats,
    credit: Floats,
    *,
    rivals: Sequence[int],
    prompts: int,
    margin: float,
    level: float,
) -> list[Strategy]:
    """At most six strategies to test in this order.

    Args:
        strategies: Those to choose from.
        answers: Codes of the models' answers to the prompts that the order is found on.
        costs: US dollars of these answers.
        credit: Prompt by code, the probability that the answer is right; the last column, for no answer, is 0.
        rivals: Columns of the models that must not be lost to.
        prompts: How many prompts will test.
        margin: Largest tolerated loss of accuracy, as a share.
        level: Of the test.
    """
    wins, losses, paid = _rates(strategies, answers, costs, credit, rivals)
    expected = _shrinker(strategies, answers.shape[1])
    wins = (1 - SHRUNK) * wins + SHRUNK * np.maximum(expected(wins), 0)
    losses = (1 - SHRUNK) * losses + SHRUNK * np.maximum(expected(losses), 0)
    chances = _predicted_power(wins, losses, len(answers), prompts, margin, level).prod(axis=1)
    order: list[int] = []
    safest = chances.max() - SAFEST
    for least in (safest, *LEVELS):
        safe = np.flatnonzero(chances >= min(least, safest))
        cheapest = int(safe[paid[safe].argmin()])
        if not order or paid[cheapest] < paid[order[-1]]:
            order.append(cheapest)
    return [strategies[place] for place in order]


def _rates(
    strategies: Sequence[Strategy], answers: NDArray[np.int16], costs: Floats, credit: Floats, rivals: Sequence[int]
) -> tuple[Floats, Floats, Floats]:
    """Rates of wins and losses of each strategy against each rival, and each strategy's mean cost."""
    rows = np.arange(len(answers))
    earned = {rival: credit[rows, answers[:, rival]] for rival in rivals}
    wins, losses = np.empty((len(strategies), len(rivals))), np.empty((len(strategies), len(rivals)))
    paid = np.empty(len(strategies))
    for start in range(0, len(strategies), BLOCK):
        block = slice(start, start + BLOCK)
        played = play(strategies[block], answers, costs)
        paid[block] = played.costs.mean(axis=1)
        earning = credit[rows, played.answers]
        for place, rival in enumerate(rivals):
            differ = played.answers != answers[:, rival]
            wins[block, place] = (earning * differ).mean(axis=1)
            losses[block, place] = (differ * earned[rival]).mean(axis=1)
    return wins, losses, paid


def _shrinker(strategies: Sequence[Strategy], models: int) -> Any:
    """What a ridge regression on the strategies' make-up expects of each, given estimates for all of them."""
    pairs = {pair: place for place, pair in enumerate(itertools.combinations(range(models), 2))}
    form, lengths = 2 * models + len(pairs), max(len(strategy.models) for strategy in strategies)
    made = np.zeros((len(strategies), form + 4 + lengths + 1))
    for row, strategy in enumerate(strategies):
        chosen = list(strategy.models)
        made[row, chosen] = 1
        if strategy.kind != "vote":
            made[row, models + chosen[-1]] = 2  # whose answer counts where nobody agrees
        for one, other in itertools.combinations(sorted(chosen), 2):
            made[row, 2 * models + pairs[one, other]] = 1 / (len(chosen) - 1)
        made[row, form + (0 if strategy.kind == "vote" else strategy.votes)] = 2
        made[row, form + 4 + len(chosen)] = 2
    solved = np.linalg.solve(made.T @ made + RIDGE * np.eye(made.shape[1]), made.T)

    def expected(estimates: Floats) -> Floats:
        return np.asarray(made @ (solved @ estimates))

    return expected


def _predicted_power(wins: Floats, losses: Floats, seen: int, prompts: int, margin: float, level: float) -> Floats:
    """Chance that the test rejects on new prompts, with the estimates' own error reckoned in."""
    win, loss = (wins * seen + 0.5) / (seen + 1.5), (losses * seen + 1) / (seen + 1.5)
    difference = win - loss
    spread = np.sqrt(np.maximum(win + loss - difference**2, 1e-9) * (1 / seen + 1 / prompts))
    at_boundary = np.sqrt((2 * restricted_rate(win, loss, margin) + margin * (1 - margin)) / prompts)
    return np.asarray(norm.cdf((difference + margin - critical_score(prompts, margin, level) * at_boundary) / spread))
