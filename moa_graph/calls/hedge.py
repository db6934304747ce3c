"""Hedge: a second call for an answer that is late; the first of the two to answer wins.

Source: Dean and Barroso, The Tail at Scale (Communications of the ACM 56, 2013), hedged requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from moa_graph.calls.account import Account
from moa_graph.calls.budget import Purse
from moa_graph.calls.call_time import CallTime
from moa_graph.calls.ledger import total
from moa_graph.calls.request import Hedge, Request
from moa_graph.calls.round import Round
from moa_graph.calls.surroundings import Surroundings
from moa_graph.errors import StoreMiss
from moa_graph.state import Call, Record

__all__ = ["hedged"]

Asked = tuple[Record, list[Call]]

Ask = Callable[[Request, Surroundings, Account, Callable[[], None]], Coroutine[Any, Any, Asked]]
"""Asks for one answer and, at the first token of one that is streamed, calls what it was given."""


@dataclass
class Lane(Round):
    """One of the two ways to an answer: it ends with the round that both are part of, or when the other has won."""

    outer: Round = field(default_factory=Round)
    begun: bool = False
    sent: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """Done once its first request has gone out."""

    @property
    def reason(self) -> str | None:
        """Why it is closed; None while it is open."""
        return super().reason or self.outer.reason

    def note_request(self) -> None:
        """Its answer may be late from now on."""
        self.outer.note_request()
        if not self.sent.done():
            self.sent.set_result(None)

    def count_beginning(self, record: str, there: bool = True) -> None:
        """Tells the round."""
        self.outer.count_beginning(record, there)

    def close(self, why: str) -> None:
        """The other one has won."""
        self._close_at(asyncio.get_running_loop().time(), why)

    @asynccontextmanager
    async def limit(self, timeout: float | None) -> AsyncIterator[CallTime]:
        """As the round's, and no longer than until the other one has won."""
        async with self.outer.limit(timeout) as time, super().limit(None):
            yield time


async def hedged(request: Request, hedge: Hedge, around: Surroundings, account: Account, ask: Ask) -> Asked:
    """Asks for one answer and, once it is late, for it a second time.

    It is late so many seconds after its first request went out: neither the wait for its provider's limits nor a look
    into the store counts. An answer that is being streamed has won with its first token; the second call's is never
    streamed. The loser is cut, and in the ledger as every request is. Where the store answers one of the two, the
    slot's own before its hedge's, neither is made.

    Args:
        request: What is asked.
        hedge: When and of whom it is asked again.
        around: What the calls share.
        account: What both draw on.
        ask: Asks for one answer.

    Raises:
        StoreMiss: Replaying, and neither was ever recorded.
    """
    again = replace(request, members=(hedge.member,), equal=request.equal[-1:], answers=False)
    if around.store is not None and around.store.reads:
        found = await _stored(request, again, around, account, ask)
        if found is not None:
            return found
    try:
        return await _first_of_both(request, again, hedge.after, around, account, ask)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None  # as it would come from one alone


async def _stored(request: Request, again: Request, around: Surroundings, account: Account, ask: Ask) -> Asked | None:
    """What the store has of the slot's own model or else of its hedge; None where the models have to be asked."""
    assert around.store is not None, "there is a store to look into"
    around = replace(around, store=around.store.only_stored())
    hedge = again.members[0].name
    for looked_for, notes in (
        (replace(request, members=request.members[:1]), []),
        (again, [f"it is the answer of its hedge, {hedge}, that was stored"]),
    ):
        looking = Account(Purse(account.purse.left), account.numbers)  # what isn't there takes nothing
        try:
            record, calls = await ask(looked_for, around, looking, _nothing)
        except StoreMiss:
            continue
        if record["status"] == "live":
            return {**record, "notes": [*notes, *record["notes"]]}, calls
    return None


async def _first_of_both(
    request: Request, again: Request, after: float, around: Surroundings, account: Account, ask: Ask
) -> Asked:
    clock = asyncio.get_running_loop().time()
    own, other = Lane(outer=around.round), Lane(outer=around.round)

    def begin() -> None:
        own.begun = True
        other.close("the answer had begun")

    second: asyncio.Task[Asked] | None = None
    async with asyncio.TaskGroup() as group:
        first = group.create_task(ask(request, replace(around, round=own), account, begin))
        if await _is_late(first, own, after):
            second = group.create_task(ask(again, replace(around, round=other), account, _nothing))
            await asyncio.wait({first, second}, return_when=asyncio.FIRST_COMPLETED)
            for task, left in ((first, other), (second, own)):
                if _won(task):
                    left.close("the other call of its slot answered first")
    if second is None:
        return first.result()
    late = f"it was late: {again.members[0].name} was asked as well after {after:g} s"
    record, calls = _together(first.result(), second.result(), late)
    record["seconds"] = asyncio.get_running_loop().time() - clock
    return record, calls


async def _is_late(first: asyncio.Task[Asked], own: Lane, after: float) -> bool:
    """Whether there is nothing of the answer so many seconds after its first request went out."""
    sent_or_done: set[asyncio.Future[Any]] = {own.sent, first}
    await asyncio.wait(sent_or_done, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait({first}, timeout=after)
    return not (first.done() or own.begun)


def _nothing() -> None:
    pass


def _won(task: asyncio.Task[Asked]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None and task.result()[0]["status"] == "live"


def _together(first: Asked, second: Asked, note: str) -> Asked:
    """The winner's record, with what both have used."""
    calls = sorted([*first[1], *second[1]], key=lambda call: call["order"])
    winner = second[0] if first[0]["status"] != "live" and second[0]["status"] == "live" else first[0]
    usage, cost = total(calls)
    record: Record = {**winner, "notes": [note, *winner["notes"]], "usage": usage, "cost": cost}
    return {**record, "started": first[0]["started"]}, calls
