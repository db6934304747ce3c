"""Tuning with as few labels as possible: the order needs none, duels are bets, and only disagreements are labelled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from moa_graph.errors import InputError
from moa_graph.evaluation.estimates import estimate_by_agreement
from moa_graph.evaluation.labelling import AskLabel, Memory, Referee, StoppedAsking
from moa_graph.evaluation.noninferiority import tango_interval
from moa_graph.evaluation.recordings import UNKNOWN, Recordings
from moa_graph.evaluation.search import find_order, lead
from moa_graph.evaluation.significance import is_cheaper, mcnemar
from moa_graph.evaluation.strategies import AnyStrategy, Strategy, play_tagged
from moa_graph.evaluation.tuning import Duel, Tested, Tuned, halves, strategies_for, tags_for, without_shared

__all__ = ["chain_of", "tune_by_asking"]

ONE_SITTING = 20
"""Prompts on one labelling page."""
FAR = 0.02
"""Predicted lead over a rival that counts as far ahead, as a share."""


def chain_of(names: Sequence[str], votes: int, recordings: Recordings) -> Strategy:
    """A strategy declared beforehand: models from cheap to dear, and how many votes are enough.

    Raises:
        InputError: The recordings don't have one of the models, or the votes can't be reached before the last.
    """
    if missing := [name for name in names if name not in recordings.models]:
        raise InputError(
            f"--chain: no recorded answers of {', '.join(missing)}; "
            f"the recorded models are {', '.join(recordings.models)}"
        )
    columns = tuple(recordings.models.index(name) for name in names)
    if len(columns) == 1:
        return Strategy("single", columns)
    if not 2 <= votes < len(columns):
        raise InputError(f"--votes {votes}: a chain of {len(columns)} models needs from 2 to {len(columns) - 1} votes")
    return Strategy("chain", columns, votes)


def tune_by_asking(
    recordings: Recordings,
    asker: Callable[[Recordings], AskLabel],
    *,
    margin: float = 0.01,
    confidence: float = 0.95,
    declared: Strategy | None = None,
    unlabelled: Recordings | None = None,
    incumbent: str | None = None,
    memory: Memory | None = None,
    told: Callable[[str], None] = lambda line: None,
) -> Tuned:
    """A certificate from as few labels as possible: only disagreements are labelled, until each duel is decided.

    Duels of a declared strategy are bets, which may be settled at any prompt. Of strategies that are found, those with
    a rival that other prompts show to be far behind are bets too, and the others the exact test over all prompts. Which
    is which is settled before a label is seen.

    Args:
        recordings: Answers to prompts, labelled or not.
        asker: Makes, from the prompts of the test, the function that is asked for labels.
        margin: Largest tolerated loss of accuracy, as a share.
        confidence: Of the certificate.
        declared: The strategy; default: those that agreement on other prompts makes look best, the safest first.
        unlabelled: These other prompts; default: half of ``recordings``, which then doesn't test.
        incumbent: The one rival, declared beforehand; default: every single model.
        memory: Stores the labels that were given.
        told: Called with a line about progress.

    Raises:
        InputError: A model isn't recorded, or the same prompts would find the order and test it.
    """
    level, rivals = 1 - confidence, list(range(len(recordings.models)))
    if incumbent is not None:
        if incumbent not in recordings.models:
            raise InputError(f"--incumbent {incumbent}: the recorded models are {', '.join(recordings.models)}")
        rivals = [recordings.models.index(incumbent)]
    test, method, searched, trials = recordings, "declared beforehand", 1, [_Trial(declared)] if declared else []
    if declared is None:
        search, test = (unlabelled, recordings) if unlabelled is not None else halves(recordings)
        if unlabelled is not None:
            search = without_shared(search, test, told)
        method = "answers to other, unlabelled prompts"
        searched, trials = _trials(search, test, rivals, margin, level)
    hearing = _Hearing(test, Referee(test, asker(test), margin, level, memory), rivals, incumbent, level, told)
    tested: list[Tested] = []
    for trial in trials:
        tested.append(hearing.hear(trial))
        if not tested[-1].passed:
            break
    passed = [one for one in tested if one.passed]
    chosen = passed[-1] if passed else None
    helps, reason = hearing.verdict(chosen, tested)
    return Tuned(
        chosen=chosen,
        tested=tuple(tested),
        helps=helps,
        reason=reason,
        best=hearing.best,
        rivals=tuple(test.models[rival] for rival in rivals),
        labels=int((hearing.referee.right != UNKNOWN).sum()),
        test=replace(test, right=hearing.referee.right),
        strategies=searched,
        method=method,
        waiting=tuple(hearing.waiting),
    )


@dataclass(frozen=True)
class _Trial:
    """A strategy to test, and the rivals that are far enough behind for bets; None: every duel is a bet."""

    strategy: AnyStrategy
    far: frozenset[int] | None = None


def _trials(
    search: Recordings, test: Recordings, rivals: Sequence[int], margin: float, level: float
) -> tuple[int, list[_Trial]]:
    """What to test in order, found by agreement on prompts that won't test, and among how many strategies."""
    strategies = strategies_for(search)
    seen = estimate_by_agreement(strategies, search.answers, search.costs, rivals, tags_for(search, test))
    order = find_order(strategies, seen, models=len(search.models), prompts=len(test), margin=margin, level=level)
    trials = []
    for strategy in order:
        ahead = lead(strategy, strategies, seen)
        trials.append(_Trial(strategy, frozenset(np.array(rivals)[ahead >= FAR].tolist())))
    return len(strategies), trials


class _Hearing:
    """Tests strategies with one shared source of labels, so every label serves all of them."""

    def __init__(
        self,
        test: Recordings,
        referee: Referee,
        rivals: Sequence[int],
        incumbent: str | None,
        level: float,
        told: Callable[[str], None],
    ) -> None:
        self.referee = referee
        self.best = incumbent or test.models[int(test.costs.mean(axis=0).argmax())]
        self.waiting: list[int] = []
        self._test, self._rivals, self._level, self._told = test, rivals, level, told

    def hear(self, trial: _Trial) -> Tested:
        """Tests a strategy against every rival, the dearest first, until it fails against one."""
        test = self._test
        played = play_tagged(trial.strategy, test.answers, test.costs, test.tags)
        duels: list[Duel] = []
        for rival in sorted(self._rivals, key=lambda rival: -float(test.costs[:, rival].mean())):
            try:
                duels.append(self._duel(trial, played.answers[0], rival))
            except StoppedAsking:
                self.waiting = self.referee.waiting(played.answers[0], test.answers[:, rival])[:ONE_SITTING]
                break
            if duels[-1].p > self._level:
                break
        passed = len(duels) == len(self._rivals) and all(duel.p <= self._level for duel in duels)
        dollars = float(played.costs[0].mean())
        dearest = float(test.costs[:, test.models.index(self.best)].mean())
        return Tested(trial.strategy, tuple(duels), passed, None, dollars, dollars / dearest if dearest else 1.0)

    def _duel(self, trial: _Trial, answers: NDArray[np.int16], rival: int) -> Duel:
        name, given = self._test.models[rival], self._test.answers[:, rival]
        if trial.far is None or rival in trial.far:
            wager = self.referee.bet(answers, given)
            wins, losses, prompts, p = wager.wins, wager.losses, wager.prompts, min(1.0, 1 / wager.e_value)
            self._told(f"against {name}: {wager.decision or 'undecided'} after {prompts} prompts")
        else:
            wins, losses, p = self.referee.test(answers, given)
            prompts = len(self._test)
            self._told(f"against {name}: {'not worse' if p <= self._level else 'undecided'}, the exact test")
        low, high = tango_interval(wins, losses, max(prompts, 1), 1 - 2 * self._level)
        return Duel(name, wins, losses, p, low, high)

    def verdict(self, chosen: Tested | None, tested: Sequence[Tested]) -> tuple[bool, str]:
        """Whether a mixture helps, and why."""
        test, right = self._test, self.referee.right
        if chosen is None and self.waiting:
            return False, "undecided: the labels so far are kept; run it again to continue"
        if chosen is None:
            last = tested[-1].duels[-1].rival
            return False, f"no mixture can be certified: against {last} the test is undecided, or it is worse"
        if len(chosen.strategy.models) == 1:
            return False, f"no mixture helps: {test.models[chosen.strategy.models[0]]} alone is certified"
        played = play_tagged(chosen.strategy, test.answers, test.costs, test.tags)
        answers, dollars = played.answers[0], played.costs[0]
        known = right != UNKNOWN
        for rival in self._rivals:
            cheaper = not is_cheaper(dollars, test.costs[:, rival], self._level)
            won = int((known & (answers == right) & (test.answers[:, rival] != right)).sum())
            lost = int((known & (answers != right) & (test.answers[:, rival] == right)).sum())
            if cheaper and mcnemar(lost, won) > self._level:
                return (
                    False,
                    f"no mixture helps: {test.models[rival]} alone was shown neither to cost more nor to be worse",
                )
        return True, f"a mixture helps, at {chosen.cost_share:.1%} of the dollars of {self.best}"
