"""Tuning with as few labels as can be: an order found without labels, duels by bets, and only disagreements asked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from moa_graph.errors import InputError
from moa_graph.evaluation.betting import Wager
from moa_graph.evaluation.dawid_skene import credit_of_agreement
from moa_graph.evaluation.labelling import Ask, Memory, Referee, StoppedAsking
from moa_graph.evaluation.noninferiority import tango_interval
from moa_graph.evaluation.recordings import UNKNOWN, Recordings
from moa_graph.evaluation.search import estimate, find_order
from moa_graph.evaluation.significance import mcnemar
from moa_graph.evaluation.strategies import Strategy, play
from moa_graph.evaluation.tuning import Duel, Tested, Tuned, strategies_for

__all__ = ["chain_of", "tune_by_asking"]

ONE_SITTING = 20
"""Prompts that a page asks about at once."""


def chain_of(names: Sequence[str], votes: int, recordings: Recordings) -> Strategy:
    """A strategy that was declared beforehand: models from cheap to dear, and the votes that are enough.

    Raises:
        InputError: The recordings don't have one of the models, or the votes can't be reached before the last.
    """
    if missing := [name for name in names if name not in recordings.models]:
        raise InputError(
            f"--chain: no recorded answers of {', '.join(missing)}; there are those of {recordings.models}"
        )
    columns = tuple(recordings.models.index(name) for name in names)
    if len(columns) == 1:
        return Strategy("single", columns)
    if not 2 <= votes < len(columns):
        raise InputError(f"--votes {votes}: a chain of {len(columns)} models takes from 2 to {len(columns) - 1} votes")
    return Strategy("chain", columns, votes)


def tune_by_asking(
    recordings: Recordings,
    asker: Callable[[Recordings], Ask],
    *,
    margin: float = 0.01,
    confidence: float = 0.95,
    declared: Strategy | None = None,
    unlabelled: Recordings | None = None,
    incumbent: str | None = None,
    memory: Memory | None = None,
    told: Callable[[str], None] = lambda line: None,
) -> Tuned:
    """A certificate for one strategy by an anytime-valid test, which asks only for the labels that matter.

    Args:
        recordings: Answers to prompts, labelled or not.
        asker: Makes of the prompts that test what is asked for a label.
        margin: Largest tolerated loss of accuracy, as a share.
        confidence: Of the certificate.
        declared: The strategy; default: the one that agreement on other prompts makes look best.
        unlabelled: These other prompts; default: half of ``recordings``, which then doesn't test.
        incumbent: The one rival, declared beforehand; default: every single model.
        memory: Keeps the labels that were told.
        told: Is told how the work goes on.
    """
    level, rivals = 1 - confidence, range(len(recordings.models))
    if incumbent is not None:
        if incumbent not in recordings.models:
            raise InputError(f"--incumbent {incumbent}: the recorded models are {', '.join(recordings.models)}")
        rivals = range(recordings.models.index(incumbent), recordings.models.index(incumbent) + 1)
    test, method, searched = recordings, "declared beforehand", 1
    if declared is None:
        search, test = (unlabelled, recordings) if unlabelled is not None else _halves(recordings)
        method = "answers to other, unlabelled prompts"
        strategies = strategies_for(search)
        searched = len(strategies)
        agreed = credit_of_agreement(search.answers)
        seen = estimate(strategies, search.answers, search.costs, agreed, rivals).doubted()
        order = find_order(strategies, seen, models=len(search.models), prompts=len(test), margin=margin, level=level)
        declared = order[0]
    referee = Referee(test, asker(test), margin, level, memory)
    played = play([declared], test.answers, test.costs)
    duels: list[Duel] = []
    waiting: list[int] = []
    for rival in sorted(rivals, key=lambda rival: -float(test.costs[:, rival].mean())):
        try:
            wager = referee.bet(played.answers[0], test.answers[:, rival])
        except StoppedAsking:
            waiting = referee.waiting(played.answers[0], test.answers[:, rival])[:ONE_SITTING]
            break
        duels.append(_duel(wager, test.models[rival], level))
        told(f"against {test.models[rival]}: {wager.decision or 'undecided'} after {wager.prompts} prompts")
        if wager.decision != "not worse":
            break
    right = referee.right
    best = incumbent or _dearest(test)
    passed = not waiting and len(duels) == len(rivals) and all(duel.p <= level for duel in duels)
    dollars, dearest = float(played.costs[0].mean()), float(test.costs[:, test.models.index(best)].mean())
    tested = Tested(declared, tuple(duels), passed, None, dollars, dollars / dearest if dearest else 1.0)
    helps, reason = _verdict(tested, test, right, played.answers[0], rivals, level, stopped=bool(waiting))
    labels = int((right != UNKNOWN).sum())
    return Tuned(
        chosen=tested if passed else None,
        tested=(tested,),
        helps=helps,
        reason=reason,
        best=best,
        rivals=tuple(test.models[rival] for rival in rivals),
        labels=labels,
        test=replace(test, right=right),
        strategies=searched,
        method=method,
        waiting=tuple(waiting),
    )


def _duel(wager: Wager, name: str, level: float) -> Duel:
    """A decided wager; what bets showed stands for a p-value as the reciprocal of its e-value."""
    low, high = tango_interval(wager.wins, wager.losses, max(wager.prompts, 1), 1 - 2 * level)
    return Duel(name, wager.wins, wager.losses, min(1.0, 1 / wager.e_value), low, high)


def _verdict(
    tested: Tested,
    test: Recordings,
    right: NDArray[np.int16],
    answers: NDArray[np.int16],
    rivals: Sequence[int],
    level: float,
    *,
    stopped: bool,
) -> tuple[bool, str]:
    if stopped:
        return False, "undecided: the labels so far are kept, and asking goes on where it stopped"
    if not tested.passed:
        last = tested.duels[-1]
        return False, f"no mixture helps that could be promised: against {last.rival} it isn't decided, or it is worse"
    if tested.strategy.kind == "single":
        return False, "no mixture helps: the strategy is a single model"
    known = right != UNKNOWN
    for rival in rivals:
        cheaper = test.costs[:, rival].mean() <= tested.dollars
        won = int((known & (answers == right) & (test.answers[:, rival] != right)).sum())
        lost = int((known & (answers != right) & (test.answers[:, rival] == right)).sum())
        if cheaper and mcnemar(lost, won, alternative="less") > level:
            return False, f"no mixture helps: {test.models[rival]} alone is cheaper, and wasn't shown to be worse"
    return True, f"a mixture helps, at {tested.cost_share:.1%} of the dollars of the rival that costs most"


def _dearest(recordings: Recordings) -> str:
    return recordings.models[int(recordings.costs.mean(axis=0).argmax())]


def _halves(recordings: Recordings) -> tuple[Recordings, Recordings]:
    """Prompts that find the order, and prompts that test, whatever of them is labelled already."""

    def drawn(place: int) -> str:
        return hashlib.sha256(f"half\x00{recordings.questions[place]}".encode()).hexdigest()

    shuffled = np.array(sorted(range(len(recordings)), key=drawn), dtype=np.intp)
    half = len(shuffled) // 2
    return recordings.some(np.sort(shuffled[:half])), recordings.some(np.sort(shuffled[half:]))
