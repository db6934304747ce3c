"""How often certificates are given, what they save, and how often they are false: resamples of recorded answers.

    python -m benchmarks.certificates FILE [--resamples 200] [--only certificates,pools,labels]

FILE holds recorded answers in the form of ``moa tune``; the goals are those of twelve models on GSM8K. The prompts of
FILE are taken for the whole population: every resample draws from them with replacement, and a certificate is false if
its strategy is truly worse than a single model by more than the margin on all of FILE. Every line prints a figure.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moa_graph.evaluation.dawid_skene import credit_of_agreement
from moa_graph.evaluation.estimates import (
    NEAR_BY_AGREEMENT,
    Estimates,
    credit_of_labels,
    estimate,
    estimate_by_agreement,
    places_by_tag,
)
from moa_graph.evaluation.few_labels import tune_by_asking
from moa_graph.evaluation.labelling import AskLabel
from moa_graph.evaluation.noninferiority import critical_score, least_prompts, score
from moa_graph.evaluation.recordings import UNKNOWN, Recordings, read_recordings
from moa_graph.evaluation.search import find_order
from moa_graph.evaluation.significance import is_cheaper, mcnemar
from moa_graph.evaluation.strategies import AnyStrategy, Strategy, family, play

LEVEL = 0.05
HALF_GOALS = {0.005: (0.78, 0.27), 0.01: (0.92, 0.18), 0.02: (0.99, 0.12)}
UNLABELLED_GOALS = {400: (0.55, 0.25), 660: (0.82, 0.19), 1319: (0.94, 0.15)}
OTHERS = 1000
"""Unlabelled prompts that find an order."""


class Population:
    """All prompts of a file, every strategy played on each of them once."""

    def __init__(self, recordings: Recordings) -> None:
        self.recordings = recordings
        order = [int(column) for column in recordings.costs.mean(axis=0).argsort(kind="stable")]
        self.strategies = family(order, longest=min(6, len(order)))
        self.place = {strategy: place for place, strategy in enumerate(self.strategies)}
        played = play(self.strategies, recordings.answers, recordings.costs)
        self.answers = played.answers
        self.right = (played.answers == recordings.right).astype(np.float32)
        self.singles = (recordings.right == recordings.answers.T).astype(np.float32)
        self.best = int(self.singles.mean(axis=1).argmax())
        self.shares = played.costs / np.float32(recordings.costs[:, self.best].mean())
        self.truth = self.right.mean(axis=1)

    def labelled(self, drawn: NDArray[np.intp]) -> Estimates:
        """What strategies do on labelled prompts that were drawn, as ``estimate`` has it, from what was played."""
        tags = places_by_tag([self.recordings.tags[place] for place in drawn])
        return replace(self._labelled(drawn), by_tag={tag: self._of_a_tag(drawn[where]) for tag, where in tags.items()})

    def _of_a_tag(self, drawn: NDArray[np.intp]) -> Estimates:
        right, singles = self.right[:, drawn], self.singles[:, drawn]
        joint = right @ singles.T
        wins = np.maximum(right.sum(axis=1)[:, None] - joint, 0) / len(drawn)
        losses = np.maximum(singles.sum(axis=1) - joint, 0) / len(drawn)
        paid = self.shares[:, drawn].mean(axis=1)
        return Estimates(wins.astype(float), losses.astype(float), paid.astype(float), len(drawn))

    def _labelled(self, drawn: NDArray[np.intp]) -> Estimates:
        weights = self._weights(drawn) / np.float32(len(drawn))
        joint = self.right @ (self.singles * weights).T
        wins = np.maximum((self.right @ weights)[:, None] - joint, 0)
        losses = np.maximum((self.singles @ weights)[None] - joint, 0)
        return Estimates(wins.astype(float), losses.astype(float), self.shares @ weights, len(drawn))

    def agreed(self, drawn: NDArray[np.intp]) -> Estimates:
        """What they seem to do by agreement alone, as ``estimate_by_agreement`` has it, from what was played."""
        credit = credit_of_agreement(self.recordings.answers[drawn]).astype(np.float32)
        tags = places_by_tag([self.recordings.tags[place] for place in drawn])
        parts = {tag: self._agreed(drawn[where], credit[where]) for tag, where in tags.items()}
        return replace(self._agreed(drawn, credit), by_tag=parts)

    def _agreed(self, drawn: NDArray[np.intp], credit: NDArray[np.float32]) -> Estimates:
        answers, played = self.recordings.answers[drawn], self.answers[:, drawn]
        earned = np.take_along_axis(credit, answers.astype(np.intp), axis=1)
        sums = np.zeros((len(played), answers.shape[1] + 1), np.float32)
        for code in range(credit.shape[1] - 1):
            right = np.column_stack([(answers == code) * credit[:, [code]], credit[:, code]])
            sums += (played == code).astype(np.float32) @ right
        sums /= len(drawn)
        wins, losses = np.maximum(sums[:, -1:] - sums[:, :-1], 0), np.maximum(earned.mean(axis=0) - sums[:, :-1], 0)
        paid = self.shares[:, drawn].mean(axis=1).astype(float)
        return Estimates(wins.astype(float), losses.astype(float), paid, len(drawn), NEAR_BY_AGREEMENT)

    def certified(
        self, order: Sequence[AnyStrategy], drawn: NDArray[np.intp], margin: float, rivals: Sequence[int] | None = None
    ) -> AnyStrategy | None:
        """The last strategy that passes on the drawn prompts, tested in order."""
        if len(drawn) < least_prompts(margin, LEVEL):
            return None
        threshold, passed = critical_score(len(drawn), margin, LEVEL), None
        singles = self.singles if rivals is None else self.singles[list(rivals)]
        weights = self._weights(drawn)
        for strategy in order:
            right = self.of(strategy, self.right)
            joint = (singles * right) @ weights
            scores = score(right @ weights - joint, singles @ weights - joint, len(drawn), margin)
            if (scores < threshold).any():
                break
            passed = strategy
        return passed

    def of(self, strategy: AnyStrategy, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """What was played, of one strategy, prompt by prompt."""
        if isinstance(strategy, Strategy):
            return np.asarray(values[self.place[strategy]])
        rows = np.array([self.place[strategy.of(tag)] for tag in self.recordings.tags])
        return np.asarray(values[rows, np.arange(len(rows))])

    def false(self, strategy: AnyStrategy, margin: float) -> bool:
        """Whether a strategy is truly worse than a single model by more than the margin."""
        return bool(self.of(strategy, self.right).mean() < self.singles.mean(axis=1).max() - margin - 1e-6)

    def _weights(self, drawn: NDArray[np.intp]) -> NDArray[np.float32]:
        return np.bincount(drawn, minlength=len(self.recordings)).astype(np.float32)


class Tally:
    """What certificates came to in one setting."""

    def __init__(self) -> None:
        self.runs, self.false, self.shares = 0, 0, list[float]()

    def add(self, population: Population, given: AnyStrategy | None, drawn: NDArray[np.intp], margin: float) -> None:
        """Counts one resample."""
        self.runs += 1
        if given is not None:
            self.false += population.false(given, margin)
            self.shares.append(float(population.of(given, population.shares)[drawn].mean()))

    def line(self, goal: tuple[float, float] | None) -> str:
        """The figures, and their goal."""
        issued, share = len(self.shares) / self.runs, float(np.mean(self.shares)) if self.shares else float("nan")
        told = f"issued {issued:6.1%}, cost share {share:.3f}, false {self.false / self.runs:.1%} (goal <= 5 %)"
        if goal is None:
            return told
        met = "reached" if issued >= goal[0] and share <= goal[1] else "MISSED"
        return f"{told}; goal: issued >= {goal[0]:.0%} at <= {goal[1]:.2f}: {met}"


def certificates(
    population: Population, resamples: int, sizes: Sequence[int], margins: Sequence[float], seed: int = 1
) -> None:
    """Both ways to find the order, for all margins and sizes."""
    drawn_from = np.random.default_rng(seed)
    recordings, models = population.recordings, len(population.recordings.models)
    half: dict[Any, Tally] = {(size, margin): Tally() for size in sizes for margin in margins}
    unlabelled: dict[Any, Tally] = {(size, margin): Tally() for size in sizes for margin in margins}
    for _ in range(resamples):
        others = drawn_from.integers(0, len(recordings), OTHERS)
        elsewhere = population.agreed(others)
        for size in sizes:
            drawn = drawn_from.integers(0, len(recordings), size)
            search, test = drawn[: size // 2], drawn[size // 2 :]
            seen = population.labelled(search)
            for margin in margins:
                for tallies, estimates, testing in ((half, seen, test), (unlabelled, elsewhere, drawn)):
                    order = find_order(
                        population.strategies, estimates,
                        models=models, prompts=len(testing), margin=margin, level=LEVEL,
                    )  # fmt: skip
                    given = population.certified(order, testing, margin)
                    tallies[size, margin].add(population, given, testing, margin)
    for (size, margin), tally in half.items():
        goal = HALF_GOALS.get(margin) if size == 1319 else None
        print(f"half of the labels, n = {size}, D = {margin * 100:g}: {tally.line(goal)}")
    for (size, margin), tally in unlabelled.items():
        goal = UNLABELLED_GOALS.get(size) if margin == 0.01 else None
        print(f"order without labels, n = {size}, D = {margin * 100:g}: {tally.line(goal)}")


def pools(whole: Recordings, resamples: int, seed: int = 2) -> None:
    """Forty random pools of five models in which nothing truly helps: how often that is said."""
    drawn_from, margin, said = np.random.default_rng(seed), 0.01, list[float]()
    while len(said) < 40:
        chosen = drawn_from.choice(len(whole.models), 5, replace=False)
        population = Population(whole.of_models([whole.models[column] for column in sorted(chosen)]))
        if _helps_truly(population, margin):
            continue
        noes = 0
        for _ in range(resamples):
            drawn = drawn_from.integers(0, len(whole), 1319)
            search, test = drawn[:659], drawn[659:]
            order = find_order(
                population.strategies, population.labelled(search),
                models=5, prompts=len(test), margin=margin, level=LEVEL,
            )  # fmt: skip
            given = population.certified(order, test, margin)
            noes += given is None or not _said_to_help(population, given, test)
        said.append(noes / resamples)
    print(
        f"40 pools in which nothing helps: said in {np.mean(said):.1%} on average (goal >= 98 %), "
        f"{min(said):.1%} in the worst (goal >= 94 %)"
    )


def _helps_truly(population: Population, margin: float) -> bool:
    """Whether some mixture is within the margin of the best single model, and cheaper than all such single models."""
    best = population.singles.mean(axis=1).max()
    single = np.array([strategy.kind == "single" for strategy in population.strategies])
    good = population.truth >= best - margin - 1e-9
    prices = population.shares.mean(axis=1)
    return bool((good & ~single & (prices < prices[good & single].min())).any())


def _said_to_help(population: Population, given: AnyStrategy, drawn: NDArray[np.intp]) -> bool:
    """What ``moa tune`` says of a certified strategy: cheaper than all singles not proved worse than the best."""
    if len(given.models) == 1:
        return False
    right = population.singles[:, drawn].astype(bool)
    best = int(right.sum(axis=1).argmax())
    may_be_best = []
    for model, own in enumerate(right):
        wins, losses = int((own & ~right[best]).sum()), int((~own & right[best]).sum())
        if mcnemar(wins, losses) > LEVEL:
            may_be_best.append(model)
    dollars = population.of(given, population.shares)[drawn] * population.recordings.costs[:, population.best].mean()
    return all(is_cheaper(dollars, population.recordings.costs[drawn, model], LEVEL) for model in may_be_best)


def labels(population: Population, resamples: int, seed: int = 3) -> None:
    """``moa tune --label`` on 660 prompts, its order found on 1,000 others: how many labels it asks for."""
    drawn_from, whole, margin = np.random.default_rng(seed), population.recordings, 0.01
    for incumbent in (None, whole.models[population.best]):
        tally, asked = Tally(), list[int]()
        for _ in range(resamples):
            drawn, others = (drawn_from.integers(0, len(whole), size) for size in (660, OTHERS))
            blind = replace(_apart(whole, drawn), right=np.full(660, UNKNOWN, np.int16))
            tuned = tune_by_asking(
                blind, _answering(whole.right[drawn]),
                margin=margin, unlabelled=_apart(whole, others, "other"), incumbent=incumbent,
            )  # fmt: skip
            asked.append(tuned.labels)
            tally.add(population, None if tuned.chosen is None else tuned.chosen.strategy, drawn, margin)
        print(
            f"labels asked at n = 660, D = 1, against {incumbent or 'every single model'}: mean {np.mean(asked):.0f}, "
            f"median {np.median(asked):.0f}, 90 % {np.quantile(asked, 0.9):.0f} (goal <= 100); {tally.line(None)}"
        )


def _answering(truth: NDArray[np.int16]) -> Callable[[Recordings], AskLabel]:
    """A person who is always right."""
    return lambda part: lambda place: int(truth[place])


def _apart(whole: Recordings, drawn: NDArray[np.intp], mark: str = "") -> Recordings:
    """Drawn prompts as prompts of their own, also where one was drawn twice."""
    part = whole.some(drawn)
    return replace(part, questions=tuple(f"{mark}{place} {text}" for place, text in enumerate(part.questions)))


def check(population: Population) -> None:
    """The fast estimates of a resample are those that ``moa tune`` makes."""
    drawn = np.random.default_rng(0).integers(0, len(population.recordings), 400)
    part = population.recordings.some(drawn)
    slow = estimate(
        population.strategies, part.answers, part.costs,
        credit_of_labels(part.answers, part.right), range(len(part.models)),
    )  # fmt: skip
    fast = population.labelled(drawn)
    assert np.allclose(slow.wins, fast.wins, atol=1e-5)
    assert np.allclose(slow.losses, fast.losses, atol=1e-5)
    slow = estimate_by_agreement(population.strategies, part.answers, part.costs, range(len(part.models)))
    fast = population.agreed(drawn)
    assert np.allclose(slow.wins, fast.wins, atol=1e-5)
    assert np.allclose(slow.losses, fast.losses, atol=1e-5)
    assert slow.near == fast.near


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description="Resamples of recorded answers: how often certificates are false.")
    parser.add_argument("file")
    parser.add_argument("--resamples", type=int, default=200)
    parser.add_argument("--prices")
    parser.add_argument("--grade", default="number")
    parser.add_argument("--untagged", action="store_true", help="leave the tags out of the search")
    parser.add_argument("--models", help="only these, between commas")
    parser.add_argument("--sizes", default="200,400,660,1319")
    parser.add_argument("--margins", default="0.5,1,2")
    parser.add_argument("--only", default="certificates,pools,labels")
    asked = parser.parse_args()
    start = time.perf_counter()
    recordings = read_recordings(
        asked.file, asked.grade, prices=asked.prices, models=asked.models and asked.models.split(",")
    )
    if asked.untagged:
        recordings = replace(recordings, tags=(None,) * len(recordings))
    population = Population(recordings)
    check(population)
    print(f"{len(population.recordings)} prompts, {len(population.strategies)} strategies, {asked.resamples} resamples")
    sizes, margins = map(int, asked.sizes.split(",")), (float(one) / 100 for one in asked.margins.split(","))
    parts: dict[str, Callable[[], None]] = {
        "certificates": lambda: certificates(population, asked.resamples, [*sizes], [*margins]),
        "labels": lambda: labels(population, asked.resamples),
        "pools": lambda: pools(recordings, asked.resamples),
    }
    for part in asked.only.split(","):
        parts[part]()
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
