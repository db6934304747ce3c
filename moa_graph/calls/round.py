"""One stage's calls in flight together: a quorum and a grace instead of the slowest model.

The slots of a stage are nodes of their own, so they agree through a ``Round`` that they share while they run. It is
held in the built graph only while its stage is in flight, keyed by the run that it belongs to, and never saved.
"""

from __future__ import annotations

import asyncio
import math
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Self

from moa_graph.calls.prompts import SharedPrompts

if TYPE_CHECKING:
    from moa_graph.calls.stored import EqualCalls

__all__ = ["CallTime", "CallTimedOut", "Closed", "Round", "Rounds"]


CLOCK_RESOLUTION = 1e-3
"""Seconds by which an event loop may wake early."""


def _now() -> float:
    return asyncio.get_running_loop().time()


class Closed(Exception):
    """The round closed before the call had its answer; ``reason`` says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class CallTimedOut(Exception):
    """A call had no answer within its own timeout."""


class CallTime:
    """The time that one call has: its own, which may stand still, and never longer than its rounds are open.

    What runs inside ``async with`` it, once or several times, ends when the time does. It is a class, since a generator
    for every call takes three times as long.

    Args:
        rounds: The call ends with the first of them to close.
        timeout: Seconds of its own; None is no limit.

    Raises:
        CallTimedOut: On leaving: its own time was up.
        Closed: On entering or leaving: a round was closed.
    """

    __slots__ = ("_own_end", "_paused_at", "_rounds", "_scope")

    def __init__(self, rounds: tuple[Round, ...], timeout: float | None) -> None:
        self._rounds = rounds
        self._own_end = math.inf if timeout is None else _now() + timeout
        self._paused_at: float | None = None
        self._scope: asyncio.Timeout | None = None

    async def __aenter__(self) -> Self:
        for round in self._rounds:
            if round.reason is not None:
                raise Closed(round.reason)
        self._scope = asyncio.timeout_at(self._when())
        await self._scope.__aenter__()
        for round in self._rounds:
            round.calls.add(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        scope, self._scope = self._scope, None
        assert scope is not None, "it was entered"
        for round in self._rounds:
            round.calls.discard(self)
        try:
            await scope.__aexit__(kind, error, trace)
        except TimeoutError as expired:
            first = min(self._rounds, key=lambda round: round.closes)
            if first.closes <= self._end_of_own_time:
                raise Closed(first.why) from expired
            raise CallTimedOut from expired

    @property
    def is_up(self) -> bool:
        """Whether the time is ending what runs inside."""
        return self._scope is not None and self._scope.expired()

    def ends_within(self, seconds: float) -> bool:
        """Whether the time is up before so many seconds are over."""
        return _now() + seconds >= self._end

    def pause(self) -> None:
        """Its own time stands still."""
        if self._paused_at is None:
            self._paused_at = _now()
            self.reschedule()

    def resume(self) -> None:
        """Its own time goes on."""
        if self._paused_at is not None:
            self._own_end += _now() - self._paused_at
            self._paused_at = None
            self.reschedule()

    def keep_going(self, seconds: float) -> None:
        """Its own time is not up before so many seconds from now: something of the answer has come."""
        if self._paused_at is None and self._own_end < _now() + seconds:
            self._own_end = _now() + seconds
            self.reschedule()

    def reschedule(self) -> None:
        """Keeps to the present end of its time, after a round's has changed or its own."""
        if self._scope is not None and not self._scope.expired():
            self._scope.reschedule(self._when())

    @property
    def _end_of_own_time(self) -> float:
        """Never while it stands still."""
        return self._own_end if self._paused_at is None else math.inf

    @property
    def _end(self) -> float:
        return min(self._end_of_own_time, *(round.closes for round in self._rounds))

    def _when(self) -> float | None:
        end = self._end
        return None if end == math.inf else end


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
        prompts: What the stage's calls are shown.
    """

    quorum: int | None = None
    grace: float = 0.0
    time: float | None = None
    live: int = 0
    beginnings: int | None = None
    expected: int = 0
    control: object = None
    equal_calls: EqualCalls | None = None
    prompts: SharedPrompts = field(default_factory=SharedPrompts)
    inside: int = 0
    began: float = 0.0
    closes: float = math.inf
    """When it closes, as far as that is known by now."""
    why: str = ""
    _begun: set[str] = field(default_factory=set)
    calls: set[CallTime] = field(default_factory=set)

    def open(self) -> None:
        """Starts the clock."""
        self.began = _now()
        if self.time is not None:
            self._close_at(self.began + max(self.time, 0), "the deadline was reached")
        self._look_for_quorum()

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
        return self.why if _now() + CLOCK_RESOLUTION >= self.closes else None

    @property
    def elapsed(self) -> float:
        """Seconds since the round opened."""
        return _now() - self.began

    def limit(self, timeout: float | None) -> CallTime:
        """The time of a call with its own ``timeout`` in seconds; None is no limit."""
        return CallTime((self,), timeout)

    def _look_for_quorum(self) -> None:
        if self.quorum is not None and self.live >= self.quorum:
            self._close_at(_now() + self.grace, "the quorum was reached")

    def _look_for_beginnings(self) -> None:
        if self.beginnings is not None and len(self._begun) >= min(self.beginnings, self.expected):
            self._close_at(_now() + self.grace, "enough proposals had begun")

    def _close_at(self, when: float, reason: str) -> None:
        """Closes the round then, unless it closes sooner."""
        if when >= self.closes:
            return
        self.closes, self.why = when, reason
        for time in self.calls:
            time.reschedule()


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
