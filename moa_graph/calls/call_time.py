"""The time that one call has: its own, which may stand still, and never longer than its round is open."""

from __future__ import annotations

import asyncio
import math

__all__ = ["CallTime"]


class CallTime:
    """When a call has to end, on the clock of its event loop.

    Args:
        timeout: Seconds of its own; None is no limit.
        closes: When its round closes, as far as that is known.
    """

    def __init__(self, timeout: float | None, closes: float) -> None:
        self._own_end = math.inf if timeout is None else self._now() + timeout
        self._closes = closes
        self._paused_at: float | None = None
        self._ended = False
        self.scope = asyncio.timeout_at(self._when())

    @property
    def own_end(self) -> float:
        """When its own time is up; never while that stands still."""
        return self._own_end if self._paused_at is None else math.inf

    def pause(self) -> None:
        """Its own time stands still."""
        if self._paused_at is None:
            self._paused_at = self._now()
            self._reschedule()

    def resume(self) -> None:
        """Its own time goes on."""
        if self._paused_at is not None:
            self._own_end += self._now() - self._paused_at
            self._paused_at = None
            self._reschedule()

    def end(self) -> None:
        """The call is over; what a gate or a round still tells of its time changes nothing."""
        self._ended = True

    def close_at(self, when: float) -> None:
        """Its round closes then."""
        self._closes = when
        self._reschedule()

    def ends_within(self, seconds: float) -> bool:
        """Whether the time is up before so many seconds are over."""
        return self._now() + seconds >= min(self.own_end, self._closes)

    def _when(self) -> float | None:
        end = min(self.own_end, self._closes)
        return None if end == math.inf else end

    def _reschedule(self) -> None:
        if not self._ended and not self.scope.expired():
            self.scope.reschedule(self._when())

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
