"""From recorded answers to the cheapest mixture that can be certified, or to an honest "none".

The method: a few strategies, found on prompts other than those of the test, are tested in a fixed sequence, the safest
first, each against every single model, and the first failure ends it (fixed-sequence testing, as in Learn then Test:
Angelopoulos et al. 2021, arXiv 2110.01052). A strategy passes where the exact test rejects against every rival
(intersection-union: Berger 1982, Technometrics 24, 295-300), so no correction for several rivals is needed, although
the best of them is itself chosen from data.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moa_graph.errors import InputError
from moa_graph.evaluation.estimates import credit_of_labels, estimate, estimate_by_agreement
from moa_graph.evaluation.noninferiority import least_prompts, p_value, tango_interval
from moa_graph.evaluation.recordings import Recordings
from moa_graph.evaluation.search import find_order
from moa_graph.evaluation.significance import is_cheaper, mcnemar
from moa_graph.evaluation.strategies import AnyStrategy, Strategy, family, play_tagged

__all__ = ["Duel", "Tested", "Tuned", "halves", "strategies_for", "tags_for", "test_in_order", "tune", "without_shared"]

MOST_STRATEGIES = 20_000


@dataclass(frozen=True)
class Duel:
    """A strategy against one rival, on the prompts of the test.

    Args:
        rival: Name of the single model.
        wins: Prompts that only the strategy got right.
        losses: Prompts that only the rival got right.
        p: P-value of the exact test of "worse by the margin or more".
        low: Lower end of Tango's interval for the difference of accuracy, at twice the test's level, as a share.
        high: Its upper end.
    """

    rival: str
    wins: int
    losses: int
    p: float
    low: float
    high: float


@dataclass(frozen=True)
class Tested:
    """A strategy that was tested.

    Args:
        strategy: The tested strategy.
        duels: One against each rival.
        passed: Whether it is certified against every rival.
        accuracy: Share of right answers; None where not every prompt is labelled.
        dollars: Mean cost of a prompt.
        cost_share: Its cost as a share of the best single model's.
    """

    strategy: AnyStrategy
    duels: tuple[Duel, ...]
    passed: bool
    accuracy: float | None
    dollars: float
    cost_share: float


@dataclass(frozen=True)
class Tuned:
    """The outcome of a search and its tests.

    Args:
        chosen: The cheapest strategy that passed; None where none did.
        tested: All that were tested, in order.
        helps: Whether the chosen one is a mixture, and cheaper than every single model that may be the best.
        reason: Why it helps or not, in a sentence.
        best: Name of the best single model on the prompts that tested.
        rivals: Names of the models tested against.
        labels: Labels that were used.
        test: The prompts of the test.
        strategies: How many were searched.
        method: How the order was found.
        waiting: Indices, within the test, of the prompts whose labels are needed next.
    """

    chosen: Tested | None
    tested: tuple[Tested, ...]
    helps: bool
    reason: str
    best: str
    rivals: tuple[str, ...]
    labels: int
    test: Recordings
    strategies: int
    method: str
    waiting: tuple[int, ...] = ()


def tune(
    recordings: Recordings,
    *,
    margin: float = 0.01,
    confidence: float = 0.95,
    unlabelled: Recordings | None = None,
    incumbent: str | None = None,
    told: Callable[[str], None] = lambda line: None,
) -> Tuned:
    """The cheapest strategy that is certified not to be worse than any single model by more than ``margin``.

    Args:
        recordings: Answers to labelled prompts; what isn't labelled among them finds the order.
        margin: Largest tolerated loss of accuracy, as a share: 0.01 is one point.
        confidence: Of the certificate.
        unlabelled: Answers of the same models to *other* prompts, on which the order is found, so that every label
            tests. Without them half of the labels find the order.
        incumbent: The one rival, declared beforehand; default: every single model.
        told: Called with a line about progress.

    Raises:
        InputError: There are no labels, or the prompts of both parts overlap.
    """
    labelled = recordings.some(recordings.labelled)
    if not len(labelled):
        raise InputError(f"{recordings.file}: no row has a reference answer. To label as you go: moa tune --label.")
    rest = np.flatnonzero(~np.isin(np.arange(len(recordings)), recordings.labelled))
    if unlabelled is None and len(rest):
        unlabelled = recordings.some(rest)
    if incumbent is not None and incumbent not in recordings.models:
        raise InputError(f"--incumbent {incumbent}: the recorded models are {', '.join(recordings.models)}")
    rivals = range(len(recordings.models)) if incumbent is None else [recordings.models.index(incumbent)]
    level = 1 - confidence
    if unlabelled is not None:
        search, test = without_shared(unlabelled.of_models(recordings.models), labelled, told), labelled
        method = "answers to other, unlabelled prompts"
    else:
        search, test = halves(labelled)
        method = "half of the labels"
    least = least_prompts(margin, level)
    told(f"{len(test)} prompts in the test; a certificate of {margin * 100:g} point(s) needs at least {least}")
    strategies = strategies_for(search if len(search) else test)
    order: list[AnyStrategy] = []
    tags = tags_for(search, test)
    if len(test) >= least and len(search):
        if unlabelled is None:
            credit = credit_of_labels(search.answers, search.right)
            seen = estimate(strategies, search.answers, search.costs, credit, rivals, tags)
        else:
            seen = estimate_by_agreement(strategies, search.answers, search.costs, rivals, tags)
        models = len(search.models)
        order = find_order(strategies, seen, models=models, prompts=len(test), margin=margin, level=level)
    tested = test_in_order(order, test, rivals=rivals, margin=margin, level=level)
    passed = [one for one in tested if one.passed]
    chosen = passed[-1] if passed else None
    best = _best(test)
    helps, reason = _verdict(chosen, test, best, level, least, margin)
    return Tuned(
        chosen=chosen,
        tested=tuple(tested),
        helps=helps,
        reason=reason,
        best=test.models[best],
        rivals=tuple(test.models[rival] for rival in rivals),
        labels=len(labelled),
        test=test,
        strategies=len(strategies),
        method=method,
    )


def test_in_order(
    order: Sequence[AnyStrategy], test: Recordings, *, rivals: Sequence[int], margin: float, level: float
) -> list[Tested]:
    """Tests strategies one after another, up to the first that fails."""
    tested: list[Tested] = []
    singles = test.right == test.answers.T
    dearest = test.costs[:, _best(test)].mean()
    for strategy in order:
        played = play_tagged(strategy, test.answers, test.costs, test.tags)
        right = played.answers[0] == test.right
        duels = tuple(_duel(right, singles[rival], test.models[rival], margin, level) for rival in rivals)
        dollars = float(played.costs[0].mean())
        passed = all(duel.p <= level for duel in duels)
        share = dollars / dearest if dearest else 1.0
        tested.append(Tested(strategy, duels, passed, float(right.mean()), dollars, float(share)))
        if not passed:
            break
    return tested


def _duel(right: NDArray[np.bool_], rival: NDArray[np.bool_], name: str, margin: float, level: float) -> Duel:
    wins, losses, prompts = int((right & ~rival).sum()), int((~right & rival).sum()), len(right)
    low, high = tango_interval(wins, losses, prompts, 1 - 2 * level)
    return Duel(name, wins, losses, p_value(wins, losses, prompts, margin), low, high)


def _verdict(
    chosen: Tested | None, test: Recordings, best: int, level: float, least: int, margin: float
) -> tuple[bool, str]:
    """Whether a mixture helps, and why."""
    points = f"{margin * 100:g} point{'' if margin == 0.01 else 's'}"
    if len(test) < least:
        return False, (
            f"no mixture can be certified: the test has {len(test)} prompts, and a certificate of {points} needs "
            f"at least {least}, even without a single loss"
        )
    if chosen is None:
        return False, f"no mixture helps: none is certified to be within {points} of every single model"
    if len(chosen.strategy.models) == 1:
        single = test.models[chosen.strategy.models[0]]
        return False, f"no mixture helps: {single} alone is the cheapest that is certified"
    right = test.right == test.answers.T
    dollars = play_tagged(chosen.strategy, test.answers, test.costs, test.tags).costs[0]
    for column in sorted(range(len(test.models)), key=lambda one: test.costs[:, one].mean()):
        if not _may_be_best(right[column], right[best], level) or is_cheaper(dollars, test.costs[:, column], level):
            continue
        single = f"{test.models[column]} alone"
        if column != best:
            single += f", which isn't significantly worse than {test.models[best]}"
        return False, f"no mixture helps: the cheapest certified one isn't shown to cost less than {single}"
    return (
        True,
        f"a mixture helps: within {points} of every single model for {chosen.cost_share:.1%} of the best one's dollars",
    )


def _may_be_best(right: NDArray[np.bool_], best: NDArray[np.bool_], level: float) -> bool:
    """Whether a model isn't significantly worse than the best."""
    return mcnemar(int((right & ~best).sum()), int((~right & best).sum())) > level


def _best(recordings: Recordings) -> int:
    """The most accurate model; of equals, the cheaper."""
    right = (recordings.right == recordings.answers.T).sum(axis=1)
    return max(range(len(right)), key=lambda model: (right[model], -recordings.costs[:, model].mean()))


def strategies_for(search: Recordings) -> list[Strategy]:
    """As many as time and memory allow, with chains as long as they permit."""
    order = [int(column) for column in search.costs.mean(axis=0).argsort(kind="stable")]
    longest = min(6, len(order))
    while longest > 3 and len(found := family(order, longest=longest)) > MOST_STRATEGIES:
        longest -= 1
    return found if longest > 3 else family(order, longest=longest)


def tags_for(search: Recordings, test: Recordings) -> Sequence[str | None]:
    """The tags by which strategies may differ: none where the prompts that test have none."""
    return search.tags if any(tag is not None for tag in test.tags) else ()


def halves(recordings: Recordings) -> tuple[Recordings, Recordings]:
    """Two halves by a hash of each prompt's text, so that the same data is always split the same way.

    A text that is there several times is several draws of it, and each has a place of its own: keeping them together
    would make the tested half vary more than independent draws do, and its tests err.
    """
    seen: Counter[str] = Counter()
    drawn = []
    for place, question in enumerate(recordings.questions):
        text = f"half\x00{seen[question]}\x00{question}"
        seen[question] += 1
        drawn.append((hashlib.sha256(text.encode()).hexdigest(), place))
    shuffled = np.array([place for _, place in sorted(drawn)], dtype=np.intp)
    half = len(shuffled) // 2
    return recordings.some(np.sort(shuffled[:half])), recordings.some(np.sort(shuffled[half:]))


def without_shared(search: Recordings, test: Recordings, told: Callable[[str], None]) -> Recordings:
    """The prompts of ``search`` outside the test: an order found on the test's own would invalidate the certificate.

    Raises:
        InputError: None is left.
    """
    tested = set(test.questions)
    others = np.array([place for place, text in enumerate(search.questions) if text not in tested], dtype=np.intp)
    if not len(others):
        raise InputError(
            f"all {len(search)} prompts that should find the order are both labelled and among the unlabelled: an "
            "order found on the prompts of the test would invalidate the certificate. Give other prompts."
        )
    if shared := len(search) - len(others):
        told(f"{shared} prompts of the test are also among the unlabelled; they aren't used to find the order")
    return search.some(others)
