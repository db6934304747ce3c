"""Estimates of what strategies do, on prompts that won't test them: from labels, or from which models agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from moa_graph.evaluation.dawid_skene import credit_of_agreement
from moa_graph.evaluation.strategies import Strategy, play

__all__ = ["NEAR_BY_AGREEMENT", "Estimates", "credit_of_labels", "estimate", "estimate_by_agreement", "places_by_tag"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int16]

BLOCK = 256
"""Strategies simulated at a time, which bounds memory."""
NEAR, NEAR_BY_AGREEMENT = (0.003, 0.035), (0.012, 0.06)
"""Predicted power that is given up for a first strategy that costs less: at least, and at most where none is safe."""
LEAST_OF_A_TAG, MOST_TAGS = 20, 40
"""Prompts of a tag, and tags, for which strategies of their own are looked for."""


def credit_of_labels(answers: NDArray[np.int16], right: NDArray[np.int16]) -> Floats:
    """1 for each right code of each prompt, as a matrix of prompt by code; the last column is "no answer"."""
    codes = int(answers.max(initial=0)) + 1
    credit = np.zeros((len(answers), codes + 1))
    known = right >= 0
    credit[np.flatnonzero(known), right[known]] = 1.0
    return credit


@dataclass(frozen=True)
class Estimates:
    """Estimated rates, one row per strategy.

    Args:
        wins: Share of prompts that only the strategy gets right, by rival.
        losses: Share of prompts that only the rival gets right.
        paid: Mean cost of a prompt.
        prompts: Number of prompts used.
        near: Predicted power that is given up for a first strategy that costs less, at least and at most.
        by_tag: The same on the prompts of each tag that has enough of them; none where there aren't two such tags.
    """

    wins: Floats
    losses: Floats
    paid: Floats
    prompts: int
    near: tuple[float, float] = NEAR
    by_tag: Mapping[str, Estimates] = field(default_factory=dict)

    @property
    def untagged(self) -> float:
        """Share of prompts with none of these tags."""
        return 1 - sum(one.prompts for one in self.by_tag.values()) / self.prompts


def estimate(
    strategies: Sequence[Strategy],
    answers: Codes,
    costs: Floats,
    credit: Floats,
    rivals: Sequence[int],
    tags: Sequence[str | None] = (),
) -> Estimates:
    """Each strategy's results on some prompts, computed block by block to bound memory.

    Args:
        strategies: Those to estimate.
        answers: Codes of the models' answers.
        costs: US dollars of these answers.
        credit: Prompt by code, the probability that the answer is right; the last column, for no answer, is 0.
        rivals: Columns of the single models to compare with.
        tags: What each prompt is about, where strategies may differ by it.
    """
    places = places_by_tag(tags)
    parts = [_Part(answers, credit, rivals, where, len(strategies)) for where in (None, *places.values())]
    for start in range(0, len(strategies), BLOCK):
        block = slice(start, start + BLOCK)
        played = play(strategies[block], answers, costs)
        for part in parts:
            part.add(block, played.answers, played.costs)
    whole, *others = (part.estimates() for part in parts)
    return replace(whole, by_tag=dict(zip(places, others, strict=True)))


def places_by_tag(tags: Sequence[str | None]) -> dict[str, NDArray[np.intp]]:
    """Where the prompts of each tag stand, of the tags that have enough of them; nothing where that isn't two."""
    counted = Counter(tag for tag in tags if tag is not None).most_common(MOST_TAGS)
    named = np.array([str(tag) for tag in tags])
    found = {tag: np.flatnonzero(named == tag) for tag, count in sorted(counted) if count >= LEAST_OF_A_TAG}
    return found if len(found) > 1 else {}


class _Part:
    """Estimates on some of the prompts, or on all of them, as far as strategies were played."""

    def __init__(
        self, answers: Codes, credit: Floats, rivals: Sequence[int], where: NDArray[np.intp] | None, strategies: int
    ) -> None:
        self._where: NDArray[np.intp] | slice = slice(None) if where is None else where
        own, columns = answers[self._where], list(rivals)
        earning = credit[self._where]
        self._prompts = len(own)
        self._earned = np.array([earning[np.arange(len(own)), own[:, rival]].mean() for rival in columns])
        self._worth = [_worth(own[:, columns], earning, code) for code in range(credit.shape[1] - 1)]
        shape = (strategies, len(columns))
        self._wins, self._losses, self._paid = np.empty(shape), np.empty(shape), np.empty(strategies)

    def add(self, block: slice, answers: Codes, costs: NDArray[np.float32]) -> None:
        """Adds a block of strategies that were simulated on all prompts."""
        answers, costs = answers[:, self._where], costs[:, self._where]
        self._paid[block] = costs.mean(axis=1)
        sums = np.zeros((len(answers), self._wins.shape[1] + 1))
        for code, (where, share) in enumerate(self._worth):
            sums += (answers[:, where] == code).astype(np.float32) @ share
        sums /= self._prompts
        both = sums[:, :-1]  # the strategy and the rival give the same answer, and it is right
        self._wins[block] = np.maximum(sums[:, -1:] - both, 0)
        self._losses[block] = np.maximum(self._earned - both, 0)

    def estimates(self) -> Estimates:
        """The estimates for all strategies."""
        return Estimates(self._wins, self._losses, self._paid, self._prompts)


def _worth(rivals: Codes, credit: Floats, code: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Prompts on which a code may be right, and by how much, where each rival gives it too, and at all (last)."""
    where = np.flatnonzero(credit[:, code] > 0)
    share = credit[where, code][:, None]
    return where, np.hstack([(rivals[where] == code) * share, share]).astype(np.float32)


def estimate_by_agreement(
    strategies: Sequence[Strategy],
    answers: Codes,
    costs: Floats,
    rivals: Sequence[int],
    tags: Sequence[str | None] = (),
) -> Estimates:
    """The same without labels: the right answer is inferred from which models agree."""
    found = estimate(strategies, answers, costs, credit_of_agreement(answers), rivals, tags)
    return replace(found, near=NEAR_BY_AGREEMENT)
