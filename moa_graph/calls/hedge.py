"""Hedge: a second call for an answer that is late; the first of the two to answer wins.

Source: Dean and Barroso, The Tail at Scale (Communications of the ACM 56, 2013), hedged requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from moa_graph.calls.account import Account
from moa_graph.calls.ledger import total
from moa_graph.calls.request import Hedge, Request
from moa_graph.calls.round import Round
from moa_graph.state import Call, Record

__all__ = ["hedged"]

Asked = tuple[Record, list[Call]]


Surroundings = TypeVar("Surroundings", bound=Any)

Ask = Callable[[Request, Surroundings, Account, Callable[[], None]], Coroutine[Any, Any, Asked]]
"""Asks for one answer and, at the first token of one that is streamed, calls what it was given."""


@dataclass
class Lane(Round):
    """One of the two ways to an answer: it ends with the round that both are part of, or when the other has won."""

    outer: Round = field(default_factory=Round)
    begun: bool = False

    @property
    def reason(self) -> str | None:
        """Why it is closed; None while it is open."""
        return super().reason or self.outer.reason

    def count_beginning(self, record: str, there: bool = True) -> None:
        """Tells the round."""
        self.outer.count_beginning(record, there)

    def close(self, why: str) -> None:
        """The other one has won."""
        self._close_at(asyncio.get_running_loop().time(), why)

    @asynccontextmanager
    async def limit(self, timeout: float | None) -> AsyncIterator[asyncio.Timeout]:
        """As the round's, and no longer than until the other one has won."""
        async with self.outer.limit(timeout) as scope, super().limit(None):
            yield scope


async def hedged(
    request: Request, hedge: Hedge, around: Surroundings, account: Account, ask: Ask[Surroundings]
) -> Asked:
    """Asks for one answer and, once it is late, for it a second time.

    An answer that is being streamed has won with its first token. The second call's answer is never streamed, nor
    looked up or kept in a store. The loser is cut, and in the ledger as every request is.

    Args:
        request: What is asked.
        hedge: When and of whom it is asked again.
        around: What the calls share.
        account: What both draw on.
        ask: Asks for one answer.
    """
    clock = asyncio.get_running_loop().time()
    own, other = Lane(outer=around.round), Lane(outer=around.round)

    def begin() -> None:
        own.begun = True
        other.close("the answer had begun")

    again = replace(request, members=(hedge.member,), answers=False)
    second: asyncio.Task[Asked] | None = None
    async with asyncio.TaskGroup() as group:
        first = group.create_task(ask(request, replace(around, round=own), account, begin))
        await asyncio.wait({first}, timeout=hedge.after)
        if not (first.done() or own.begun):
            second = group.create_task(ask(again, replace(around, round=other, store=None), account, _nothing))
            await asyncio.wait({first, second}, return_when=asyncio.FIRST_COMPLETED)
            for task, left in ((first, other), (second, own)):
                if _won(task):
                    left.close("the other call of its slot answered first")
    if second is None:
        return first.result()
    record, calls = _together(first.result(), second.result(), hedge)
    record["seconds"] = asyncio.get_running_loop().time() - clock
    return record, calls


def _nothing() -> None:
    pass


def _won(task: asyncio.Task[Asked]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None and task.result()[0]["status"] == "live"


def _together(first: Asked, second: Asked, hedge: Hedge) -> Asked:
    """The winner's record, with what both have used."""
    calls = sorted([*first[1], *second[1]], key=lambda call: call["order"])
    winner = second[0] if first[0]["status"] != "live" and second[0]["status"] == "live" else first[0]
    note = f"it was late: {hedge.member.name} was asked as well after {hedge.after:g} s"
    usage, cost = total(calls)
    record: Record = {**winner, "notes": [note, *winner["notes"]], "usage": usage, "cost": cost}
    return {**record, "started": first[0]["started"]}, calls
