"""One stage's calls in flight together: a quorum and a grace instead of the slowest model.

The slots of a stage are nodes of their own, so they agree through a ``Round`` that they share while they run. It is
held in the built graph only while its stage is in flight, keyed by the run that it belongs to, and never saved.
"""

from __future__ import annotations

import asyncio
import math
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

from moa_graph.calls.call_time import CallTime

if TYPE_CHECKING:
    from moa_graph.calls.stored import EqualCalls

__all__ = ["CallTimedOut", "Closed", "Round", "Rounds"]


CLOCK_RESOLUTION = 1e-3
"""Seconds by which an event loop may wake early."""


class Closed(Exception):
    """The round closed before the call had its answer; ``reason`` says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class CallTimedOut(Exception):
    """A call had no answer within its own timeout."""


@dataclass
class Round:
    """The calls of one stage.

    Its times are on the clock of its event loop. It sets no timers of its own, only those of the calls inside.

    Args:
        quorum: Live proposals that close the round; None waits for all.
        grace: Seconds that the round waits for the others after its quorum.
        time: Seconds that the stage may take; None is no limit.
        live: Live proposals that were there before, on resuming.
        beginnings: Proposals whose beginning has to be there for the round to close; None waits for their ends.
        expected: Proposals that are there or may still come: beginnings of more are never waited for.
        control: The run's own object, held so that the key made from its identity stays the run's.
        equal_calls: Numbers of the stage's equal calls; None until a store asks for them.
    """

    quorum: int | None = None
    grace: float = 0.0
    time: float | None = None
    live: int = 0
    beginnings: int | None = None
    expected: int = 0
    control: object = None
    equal_calls: EqualCalls | None = None
    inside: int = 0
    began: float = 0.0
    closes: float = math.inf
    """When it closes, as far as that is known by now."""
    why: str = ""
    _begun: set[str] = field(default_factory=set)
    calls: set[CallTime] = field(default_factory=set)

    def open(self) -> None:
        """Starts the clock."""
        self.began = asyncio.get_running_loop().time()
        if self.time is not None:
            self._close_at(self.began + max(self.time, 0), "the deadline was reached")
        self._look_for_quorum()

    def note_request(self) -> None:
        """A request goes out; before that it may have waited for its provider's limits."""

    def count_live(self) -> None:
        """Tells the round that a proposal came in."""
        self.live += 1
        self._look_for_quorum()

    def count_beginning(self, record: str, there: bool = True) -> None:
        """Tells the round that enough of a proposal is there for the next stage to begin, or is there no longer."""
        (self._begun.add if there else self._begun.discard)(record)
        self._look_for_beginnings()

    def count_failed(self) -> None:
        """Tells the round that a proposal won't come."""
        self.expected -= 1
        self._look_for_beginnings()

    @property
    def reason(self) -> str | None:
        """Why the round is closed; None while it is open."""
        return self.why if asyncio.get_running_loop().time() + CLOCK_RESOLUTION >= self.closes else None

    @property
    def elapsed(self) -> float:
        """Seconds since the round opened."""
        return asyncio.get_running_loop().time() - self.began

    def limit(self, timeout: float | None) -> AbstractAsyncContextManager[CallTime]:
        """Lets the body run until it ends, its ``timeout`` in seconds passes, or the round closes.

        Raises:
            CallTimedOut: The body's own timeout passed.
            Closed: The round closed first, or was closed already.
        """
        return _Limit(self, timeout)

    def _look_for_quorum(self) -> None:
        if self.quorum is not None and self.live >= self.quorum:
            self._close_at(asyncio.get_running_loop().time() + self.grace, "the quorum was reached")

    def _look_for_beginnings(self) -> None:
        if self.beginnings is not None and len(self._begun) >= min(self.beginnings, self.expected):
            self._close_at(asyncio.get_running_loop().time() + self.grace, "enough proposals had begun")

    def _close_at(self, when: float, reason: str) -> None:
        """Closes the round then, unless it closes sooner."""
        if when >= self.closes:
            return
        self.closes, self.why = when, reason
        for time in self.calls:
            time.close_at(when)


class _Limit:
    """What :meth:`Round.limit` gives. Written out, since a generator for every call takes three times as long."""

    __slots__ = ("_round", "_time", "_timeout")

    def __init__(self, round: Round, timeout: float | None) -> None:
        self._round = round
        self._timeout = timeout

    async def __aenter__(self) -> CallTime:
        reason = self._round.reason
        if reason is not None:
            raise Closed(reason)
        self._time = CallTime(self._timeout, self._round.closes)
        await self._time.scope.__aenter__()
        self._round.calls.add(self._time)
        return self._time

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._round.calls.discard(self._time)
        self._time.end()
        try:
            await self._time.scope.__aexit__(kind, error, trace)
        except TimeoutError as expired:
            if self._round.closes <= self._time.own_end:
                raise Closed(self._round.why) from expired
            raise CallTimedOut from expired


class Rounds:
    """The rounds that are in flight in one built graph."""

    def __init__(self) -> None:
        self._rounds: dict[Hashable, Round] = {}

    def __len__(self) -> int:
        return len(self._rounds)

    @asynccontextmanager
    async def join(self, key: Hashable, run: object, make: Callable[[], Awaitable[Round]]) -> AsyncIterator[Round]:
        """Takes part in the round of ``key``, which the first one to come makes.

        The round stays until :meth:`leave`, or until a failing or cancelled node is the last one inside. A run may also
        end between its slots and their join, cancelled or to wait for a person: then its round goes with it.

        Args:
            key: What tells the round from every other.
            run: An object that is let go of when the run ends.
            make: Makes the round.
        """
        current = self._rounds.get(key)
        if current is None:
            made = await make()
            current = self._rounds.setdefault(key, made)
            if current is made:
                current.open()
                weakref.finalize(run, self._rounds.pop, key, None).atexit = False
        current.inside += 1
        try:
            yield current
        except BaseException:
            current.inside -= 1
            if current.inside == 0:
                self.leave(key)
            raise
        else:
            current.inside -= 1

    def leave(self, key: Hashable) -> float | None:
        """Ends the round of ``key``: the seconds that it took, or None where there is none."""
        ended = self._rounds.pop(key, None)
        return None if ended is None else ended.elapsed
