"""The strategies that a search chooses from, and what each would have answered and cost on recorded answers.

A single model; a vote of several; and escalation from cheap to dear: the first models of a chain are asked side by
side, the next one after another, until an answer has enough votes; where none ever has, the last model's answer counts.
Or one of these for each tag that prompts have.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["AnyStrategy", "Outcomes", "Strategy", "TaggedStrategy", "family", "play", "play_tagged"]


@dataclass(frozen=True)
class Strategy:
    """How some models are asked.

    Args:
        kind: ``single``, ``vote`` or ``chain``.
        models: Columns of the recordings, in the order in which they are asked.
        votes: Votes that end a chain.
    """

    kind: Literal["single", "vote", "chain"]
    models: tuple[int, ...]
    votes: int = 1

    def escalations(self, calls: int) -> int:
        """Further steps after the first, where so many calls were made."""
        return calls - self.votes if self.kind == "chain" else 0


@dataclass(frozen=True)
class TaggedStrategy:
    """A strategy for each tag that prompts have.

    Args:
        default: For prompts without a tag, and for tags that aren't named.
        by_tag: Tags, each with its own.
    """

    default: Strategy
    by_tag: tuple[tuple[str, Strategy], ...]

    @property
    def models(self) -> tuple[int, ...]:
        """Columns of all models that may be asked."""
        return tuple(dict.fromkeys(model for part in self.parts for model in part.models))

    @property
    def parts(self) -> tuple[Strategy, ...]:
        """The different strategies, the default first."""
        return tuple(dict.fromkeys((self.default, *(own for _, own in self.by_tag))))

    def of(self, tag: str | None) -> Strategy:
        """The strategy for a prompt."""
        return dict(self.by_tag).get(tag, self.default) if tag is not None else self.default


AnyStrategy = Strategy | TaggedStrategy


@dataclass(frozen=True)
class Outcomes:
    """What strategies would have answered: one row per strategy, one column per prompt.

    Args:
        strategies: The rows.
        answers: Codes of the answers, as in the recordings.
        costs: US dollars of all calls made for a prompt.
        calls: How many.
    """

    strategies: tuple[AnyStrategy, ...]
    answers: NDArray[np.int16]
    costs: NDArray[np.float32]
    calls: NDArray[np.int8]


def family(order: Sequence[int], *, longest: int = 6, voters: Sequence[int] = (3, 5)) -> list[Strategy]:
    """Every single model, and the votes and chains of up to ``longest`` models.

    Args:
        order: The models from cheap to dear.
        longest: Models of a chain.
        voters: Sizes of votes.
    """
    found = [Strategy("single", (model,)) for model in order]
    for size in voters:
        found += [Strategy("vote", chosen) for chosen in itertools.combinations(order, size)]
    for size in range(3, longest + 1):
        for chosen in itertools.combinations(order, size):
            found.append(Strategy("chain", chosen, 2))
            if size > 3:
                found.append(Strategy("chain", chosen, 3))
    return found


def play(strategies: Sequence[Strategy], answers: NDArray[np.int16], costs: NDArray[np.float64]) -> Outcomes:
    """What each strategy would have given on recorded ``answers`` at their ``costs`` (prompt by model)."""
    shape = (len(strategies), len(answers))
    given, paid, calls = np.empty(shape, np.int16), np.empty(shape, np.float32), np.empty(shape, np.int8)
    columns, prices = np.ascontiguousarray(answers.T), np.ascontiguousarray(costs.T)
    for row, strategy in enumerate(strategies):
        given[row], paid[row], calls[row] = _play(strategy, columns, prices)
    return Outcomes(tuple(strategies), given, paid, calls)


def play_tagged(
    strategy: AnyStrategy,
    answers: NDArray[np.int16],
    costs: NDArray[np.float64],
    tags: Sequence[str | None],
) -> Outcomes:
    """What one strategy would have given on prompts with ``tags``; the only row."""
    if isinstance(strategy, Strategy):
        return play([strategy], answers, costs)
    parts = strategy.parts
    played = play(parts, answers, costs)
    rows = np.array([parts.index(strategy.of(tag)) for tag in tags], dtype=np.intp)
    columns = np.arange(len(rows))
    return Outcomes(
        (strategy,),
        played.answers[rows, columns][None],
        played.costs[rows, columns][None],
        played.calls[rows, columns][None],
    )


def _play(
    strategy: Strategy, columns: NDArray[np.int16], prices: NDArray[np.float64]
) -> tuple[NDArray[np.int16], NDArray[np.float64], NDArray[np.int64]]:
    chosen = list(strategy.models)
    if strategy.kind == "chain":
        return _climb(columns[chosen], prices[chosen], strategy.votes)
    given = columns[chosen[0]] if strategy.kind == "single" else _plurality(columns[chosen])
    return given, prices[chosen].sum(axis=0), np.full(columns.shape[1], len(chosen))


def _plurality(answers: NDArray[np.int16]) -> NDArray[np.int16]:
    """The answer given most often; the earliest model's of those given equally often."""
    same = (answers[:, None] == answers[None]) & (answers >= 0)[:, None]
    winner = same.sum(axis=1).argmax(axis=0)
    return np.asarray(np.take_along_axis(answers, winner[None], axis=0)[0])


def _climb(
    answers: NDArray[np.int16], prices: NDArray[np.float64], votes: int
) -> tuple[NDArray[np.int16], NDArray[np.float64], NDArray[np.int64]]:
    """A chain: only the newest answer can be the first with enough votes."""
    given = answers[-1].copy()
    asked = np.full(given.shape, len(answers))
    undecided = np.ones(given.shape, bool)
    for step in range(votes, len(answers)):
        newest = answers[step - 1]
        agreeing = (answers[: step - 1] == newest).sum(axis=0) + 1
        decided = undecided & (newest >= 0) & (agreeing >= votes)
        given[decided], asked[decided] = newest[decided], step
        undecided &= ~decided
    paid = np.take_along_axis(prices.cumsum(axis=0), asked[None] - 1, axis=0)[0]
    return given, paid, asked
