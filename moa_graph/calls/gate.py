"""The gate that all calls to one provider go through.

It bounds the calls in flight, the requests and the tokens a minute. When the provider says 429, every call to it waits
as long as it asks for, and then fewer go out at once, more again with each that goes well.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from moa_graph.calls.allowance import Allowance

__all__ = ["Clock", "Gate", "Ticket"]


class Clock(Protocol):
    """A call's own time, which stands still while our own limits hold the call back."""

    def pause(self) -> None:
        """It stands still."""

    def resume(self) -> None:
        """It goes on."""


class _Endless:
    """The clock of a call that may take as long as it will."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...


class Ticket(NamedTuple):
    """How a call came in.

    Args:
        storms: How many storms there had been.
        alone: Whether no other call had gone out since the last one had passed.
    """

    storms: int
    alone: bool


@dataclass
class _Place:
    """A call in the queue."""

    tokens: int
    clock: Clock
    given: asyncio.Future[Ticket] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Gate:
    """Lets calls to one provider through, those that came first before the others.

    How many may be in flight after a refusal follows TCP's congestion control (RFC 5681, section 3.1): one, then one
    more for each that goes well, and above half of what was in flight at the refusal, one more for each full round.
    """

    def __init__(self) -> None:
        self._most: float = math.inf
        self._allowed: float = math.inf
        self._threshold: float = math.inf
        self._requests = Allowance()
        self._tokens = Allowance()
        self._inside = 0
        self._storms = 0
        self._sent = 0
        self._has_answered = False
        self._opens = -math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: deque[_Place] = deque()

    def narrow(self, concurrency: int | None, requests: int | None, tokens: int | None) -> None:
        """Keeps to these limits as well, where they are lower than those that were given before.

        Args:
            concurrency: Calls in flight at once; None is no limit.
            requests: A minute.
            tokens: A minute.
        """
        self._most = min(self._most, math.inf if concurrency is None else concurrency)
        self._allowed, self._threshold = min(self._allowed, self._most), min(self._threshold, self._most)
        self._requests.narrow(requests)
        self._tokens.narrow(tokens)

    @property
    def counts_tokens(self) -> bool:
        """Whether it needs to know how many tokens a call is reckoned with."""
        return self._tokens.is_limited

    @property
    def held_for(self) -> float:
        """Seconds for which the provider asked that nothing is sent; 0 where it doesn't."""
        return max(self._opens - asyncio.get_running_loop().time(), 0.0)

    async def enter(self, tokens: int = 0, *, first: bool = False, clock: Clock | None = None) -> Ticket:
        """Waits until a call of about so many tokens may go out; :meth:`leave` has to follow.

        Args:
            tokens: Of prompt and answer together.
            first: Whether it goes before all that wait, as a call does that was refused for no fault of its own.
            clock: Stands still while our own limits hold the call back, and goes on while the provider's refusals do.

        Returns:
            What :meth:`went_well` or :meth:`was_refused` is told later.
        """
        now = asyncio.get_running_loop().time()
        if self._waiting or self._free_at(tokens, now) > now:
            return await self._wait(_Place(tokens, clock or _Endless()), first)
        return self._take(tokens, now)

    def leave(self) -> None:
        """The call has ended, well or not."""
        self._inside -= 1
        self._let_in()

    def went_well(self, ticket: Ticket) -> None:
        """The call was answered; one from before the last storm says nothing of what the provider allows now."""
        self._has_answered = True
        if ticket.storms == self._storms:
            step = 1 if self._allowed < self._threshold else 1 / self._allowed
            self._allowed = min(self._allowed + step, self._most)
            self._let_in()

    def was_refused(self, ticket: Ticket, seconds: float, *, again: bool = False) -> bool:
        """The provider said 429: nothing goes out for so many seconds, and then little. :meth:`leave` has to follow.

        Args:
            ticket: The call's. What all calls of one storm say counts once.
            seconds: How long the provider asks to wait.
            again: Whether the same call was to blame before.

        Returns:
            Whether the call is to blame, rather than that there were too many: always where the provider never answers
            or the call was alone, else once for the call with which a storm begins.
        """
        self._opens = max(self._opens, asyncio.get_running_loop().time() + seconds)
        began = ticket.storms == self._storms
        if began:
            self._storms += 1
            self._sent = 0
            self._threshold = max(min(self._allowed, self._inside) / 2, 1)
            self._allowed = 1
        self._let_in()
        return ticket.alone or not self._has_answered or (began and not again)

    def _free_at(self, tokens: int, now: float) -> float:
        """When a call may go out, which is ``now`` or later; infinite where another has to end first."""
        if self._inside + 1 > self._allowed:
            return math.inf
        return max(self._opens, self._requests.free_at(1, now), self._tokens.free_at(tokens, now))

    def _take(self, tokens: int, now: float) -> Ticket:
        ticket = Ticket(self._storms, alone=self._sent == self._inside == 0)
        self._inside += 1
        self._sent += 1
        self._requests.take(1, now)
        self._tokens.take(tokens, now)
        return ticket

    async def _wait(self, place: _Place, first: bool) -> Ticket:
        (self._waiting.appendleft if first else self._waiting.append)(place)
        self._let_in()
        try:
            return await place.given
        except asyncio.CancelledError:
            if place.given.cancelled():
                self._let_in()  # who comes next may need less
            else:  # it was given before the cancellation came
                self.leave()
            raise
        finally:
            place.clock.resume()

    def _let_in(self) -> None:
        """Gives their places to those who may go, and wakes up when the next one may."""
        if not self._waiting:
            return
        now = asyncio.get_running_loop().time()
        free = math.inf
        while self._waiting:
            place = self._waiting[0]
            if not place.given.done():
                free = self._free_at(place.tokens, now)
                if free > now:
                    break
                place.given.set_result(self._take(place.tokens, now))
            self._waiting.popleft()
        self._tell_clocks(now)
        self._wake_at(free if self._waiting else math.inf)

    def _tell_clocks(self, now: float) -> None:
        """Only our own limits stop the clock: a provider that refuses for too long is given up."""
        refused = self._opens > now or self._inside + 1 > self._allowed < self._most
        for place in self._waiting:
            place.clock.resume() if refused else place.clock.pause()

    def _wake_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = None if when == math.inf else loop.call_at(when, self._let_in)
