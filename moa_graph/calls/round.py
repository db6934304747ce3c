"""One stage's calls in flight together: a quorum and a grace instead of the slowest model.

The slots of a stage are nodes of their own, so they agree through a ``Round`` that they share while they run. It is
held in the built graph only while its stage is in flight, keyed by the run that it belongs to, and never saved.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

__all__ = ["CallTimedOut", "Closed", "Round", "Rounds"]


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

    Args:
        quorum: Live proposals that close the round; None waits for all.
        grace: Seconds that the round waits for the others after its quorum.
        time: Seconds that the stage may take; None is no limit.
        live: Live proposals that were there before, on resuming.
        control: The run's own object, held so that the key made from its identity stays the run's.
    """

    quorum: int | None = None
    grace: float = 0.0
    time: float | None = None
    live: int = 0
    control: object = None
    reason: str | None = None
    inside: int = 0
    began: float = 0.0
    _calls: set[asyncio.Timeout] = field(default_factory=set)
    _timers: list[asyncio.TimerHandle] = field(default_factory=list)
    _quorum_seen: bool = False

    def open(self) -> None:
        """Starts the clock."""
        loop = asyncio.get_running_loop()
        self.began = loop.time()
        if self.time is not None:
            self._timers.append(loop.call_later(max(self.time, 0), self._close, "the deadline was reached"))
        self._look_for_quorum()

    def count_live(self) -> None:
        """Tells the round that a proposal came in."""
        self.live += 1
        self._look_for_quorum()

    @property
    def elapsed(self) -> float:
        """Seconds since the round opened."""
        return asyncio.get_running_loop().time() - self.began

    @asynccontextmanager
    async def limit(self, timeout: float | None) -> AsyncIterator[asyncio.Timeout]:
        """Lets the body run until it ends, its ``timeout`` in seconds passes, or the round closes.

        Raises:
            CallTimedOut: The body's own timeout passed.
            Closed: The round closed first, or was closed already.
        """
        if self.reason is not None:
            raise Closed(self.reason)
        try:
            async with asyncio.timeout(timeout) as scope:
                self._calls.add(scope)
                try:
                    yield scope
                finally:
                    self._calls.discard(scope)
        except TimeoutError as error:
            if not scope.expired():
                raise
            if self.reason is not None:
                raise Closed(self.reason) from error
            raise CallTimedOut from error

    def cancel_timers(self) -> None:
        """Nothing of the round is left on the event loop."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _look_for_quorum(self) -> None:
        if self.quorum is not None and self.live >= self.quorum and not self._quorum_seen:
            self._quorum_seen = True
            loop = asyncio.get_running_loop()
            self._timers.append(loop.call_later(self.grace, self._close, "the quorum was reached"))

    def _close(self, reason: str) -> None:
        if self.reason is None:
            self.reason = reason
            now = asyncio.get_running_loop().time()
            for scope in self._calls:
                if not scope.expired():
                    scope.reschedule(now)


class Rounds:
    """The rounds that are in flight in one built graph."""

    def __init__(self) -> None:
        self._rounds: dict[Hashable, Round] = {}

    def __len__(self) -> int:
        return len(self._rounds)

    @asynccontextmanager
    async def join(self, key: Hashable, make: Callable[[], Awaitable[Round]]) -> AsyncIterator[Round]:
        """Takes part in the round of ``key``, which the first one to come makes.

        The round stays until :meth:`leave`, or until a failing or cancelled node is the last one inside.
        """
        current = self._rounds.get(key)
        if current is None:
            made = await make()
            current = self._rounds.setdefault(key, made)
            if current is made:
                current.open()
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
        if ended is None:
            return None
        ended.cancel_timers()
        return ended.elapsed
