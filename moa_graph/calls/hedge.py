"""Hedge: a second call for an answer that is late; the first of the two to answer wins.

Source: Dean and Barroso, The Tail at Scale (Communications of the ACM 56, 2013), hedged requests.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

from moa_graph.calls.answering import Answering
from moa_graph.calls.attempts import first_live_reply, stored_reply
from moa_graph.calls.budget import Balance
from moa_graph.calls.ledger import Ledger
from moa_graph.calls.node_context import NodeContext
from moa_graph.calls.reply import ModelReply
from moa_graph.calls.request import AnswerRequest
from moa_graph.calls.round import CallTime, Round
from moa_graph.models.catalogue import Member

__all__ = ["first_of_both"]


async def first_of_both(
    request: AnswerRequest, hedge: Member, node: NodeContext, ledger: Ledger, balance: Balance
) -> ModelReply:
    """Asks for one answer and, once it is late, for it a second time.

    It is late so many seconds after its first request went out: neither the wait for its provider's limits nor a look
    into the store counts. An answer that is being streamed has won with its first token; the second call's is never
    streamed. The loser is cut, and in the ledger as every request is. Where the store answers one of the two, the
    slot's own before its hedge's, neither is made.

    Args:
        request: What is asked.
        hedge: Whom it is asked of again.
        node: What the calls share.
        ledger: Where the requests of both are noted.
        balance: What both may spend.

    Raises:
        StoreMiss: Replaying, and neither was ever recorded.
    """
    own, other = _Contender(outer=node.round), _Contender(outer=node.round)

    def begun() -> None:
        own.begun = True
        other.close("the answer had begun")

    again = replace(request, members=(hedge,), equal=request.equal[-1:], answers=False)
    first = Answering.of(request, replace(node, round=own), ledger, balance, sent=own.note_sent, begun=begun)
    second = Answering.of(again, replace(node, round=other), ledger, balance)
    return await _stored(first, second) or await _raced(first, second, own, other)


async def _stored(first: Answering, second: Answering) -> ModelReply | None:
    """What the store has of the slot's own model or else of its hedge; None where the models have to be asked."""
    if (reply := await stored_reply(first)) is not None:
        return reply
    if (reply := await stored_reply(second)) is not None:
        note = f"it is the answer of its hedge, {reply.member.name}, that was stored"
        return replace(reply, notes=(note, *reply.notes))
    return None


async def _raced(first: Answering, second: Answering, own: _Contender, other: _Contender) -> ModelReply:
    hedge, after = second.request.members[0], first.request.hedge_after
    later: asyncio.Task[ModelReply] | None = None
    try:
        async with asyncio.TaskGroup() as group:
            sooner = group.create_task(first_live_reply(first))
            if await _is_late(sooner, own, after):
                later = group.create_task(first_live_reply(second))
                await asyncio.wait({sooner, later}, return_when=asyncio.FIRST_COMPLETED)
                for task, left in ((sooner, other), (later, own)):
                    if _won(task):
                        left.close("the other call of its slot answered first")
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None  # as it would come from one alone
    if later is None:
        return sooner.result()
    winner = later.result() if not _won(sooner) and _won(later) else sooner.result()
    late = f"it was late: {hedge.name} was asked as well after {after:g} s"
    return replace(winner, notes=(late, *winner.notes))


@dataclass
class _Contender(Round):
    """One of the two calls: it ends with the round that both are part of, or when the other has won."""

    outer: Round = field(default_factory=Round)
    begun: bool = False
    sent: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """Done once its first request has gone out."""

    @property
    def reason(self) -> str | None:
        """Why it is closed; None while it is open."""
        return super().reason or self.outer.reason

    def note_sent(self) -> None:
        """Its answer may be late from now on."""
        if not self.sent.done():
            self.sent.set_result(None)

    def count_beginning(self, record: str, there: bool = True) -> None:
        """Tells the round."""
        self.outer.count_beginning(record, there)

    def close(self, why: str) -> None:
        """The other one has won."""
        self._close_at(asyncio.get_running_loop().time(), why)

    def limit(self, timeout: float | None) -> CallTime:
        """As the round's, and no longer than until the other one has won."""
        return CallTime((self, self.outer), timeout)


async def _is_late(first: asyncio.Task[ModelReply], own: _Contender, after: float) -> bool:
    """Whether there is nothing of the answer so many seconds after its first request went out."""
    sent_or_done: set[asyncio.Future[Any]] = {own.sent, first}
    await asyncio.wait(sent_or_done, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait({first}, timeout=after)
    return not (first.done() or own.begun)


def _won(task: asyncio.Task[ModelReply]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None and task.result().failure is None
