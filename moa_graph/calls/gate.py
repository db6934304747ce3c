"""The gate that the calls to one provider go through, and the door in it that each of its models has.

The gate bounds the calls in flight, the requests and the tokens a minute, for all models together. A refusal (429)
closes the door of the model that refused for as long as the provider asks, up to five minutes. It closes the
gate only where the provider says that it is about more than the model; where a second model refuses as well, the gate
lets fewer through at once.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

from moa_graph.calls.allowance import MINUTE, Allowance
from moa_graph.calls.pace import Pace, Stamp
from moa_graph.calls.patience import ENDLESS, LONGEST_HOLD, Clock, HeldBack

__all__ = ["Door", "Gate", "Ticket"]


class Ticket(NamedTuple):
    """How a call came in."""

    model: Stamp
    provider: Stamp


@dataclass(eq=False)
class _Place:
    """A call in a queue.

    Args:
        turn: When it goes, among all that wait at the gate.
        tokens: That it is expected to use.
        clock: Its own time.
        given: Done once the call may go.
    """

    turn: int
    tokens: int
    clock: Clock
    given: asyncio.Future[Ticket] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Gate:
    """Lets calls to one provider through, those that came first before the others."""

    def __init__(self) -> None:
        self.pace = Pace()
        self._requests = Allowance()
        self._tokens = Allowance()
        self._doors: dict[str, Door] = {}
        self._first, self._last = 0, 0
        self._timer: asyncio.TimerHandle | None = None

    def narrow(self, concurrency: int | None, requests: int | None, tokens: int | None) -> None:
        """Keeps to these limits as well, where they are lower than those that were given before.

        Args:
            concurrency: Calls in flight at once; None is no limit.
            requests: A minute.
            tokens: A minute.
        """
        self.pace.narrow(concurrency)
        self._requests.narrow(requests)
        self._tokens.narrow(tokens)

    def door(self, model: str) -> Door:
        """The door of a model, made on its first use."""
        if model not in self._doors:
            self._doors[model] = Door(self)
        return self._doors[model]

    @property
    def counts_tokens(self) -> bool:
        """Whether it needs to know how many tokens a call is expected to use."""
        return self._tokens.is_limited

    def free_at(self, tokens: int, now: float) -> float:
        """When a call may pass, which is ``now`` or later; infinite where another has to end first."""
        free = self.pace.free_at(now)
        if free == math.inf:
            return free
        return max(free, self._requests.free_at(1, now), self._tokens.free_at(tokens, now))

    def take(self, tokens: int, now: float) -> Stamp:
        """A call passes."""
        self._requests.take(1, now)
        self._tokens.take(tokens, now)
        return self.pace.take()

    def turn(self, *, first: bool) -> int:
        """The turn of a call that joins a queue: after all others, or before them."""
        if first:
            self._first -= 1
            return self._first
        self._last += 1
        return self._last

    def another_was_refused(self, door: Door, now: float) -> bool:
        """Whether a model other than this door's was refused within the last minute."""
        return any(other is not door and other.refused_at + MINUTE > now for other in self._doors.values())

    def is_free(self, door: Door, tokens: int, now: float) -> bool:
        """Whether a call may pass that waits for nobody's turn."""
        return not self._queues() and door.pace.free_at(now) <= now and self.free_at(tokens, now) <= now

    def let_in(self) -> None:
        """Gives their places to those who may go, and wakes up when the next one may."""
        if not self._queues():
            return
        now = asyncio.get_running_loop().time()
        wake = math.inf
        while open_doors := [door for door in self._queues() if door.pace.free_at(now) <= now]:
            door = min(open_doors, key=lambda one: one.next.turn)
            wake = self.free_at(door.next.tokens, now)
            if wake > now:
                break
            door.let_next_in(now)
            wake = math.inf
        for door in self._queues():
            wake = min(wake, *(when for when in (door.pace.opens, self.pace.opens) if when > now), math.inf)
            door.tell_clocks(self.pace.refuses(now) or door.pace.refuses(now))
        self._wake_at(wake)

    def doors(self) -> list[Door]:
        """Those of all its models."""
        return list(self._doors.values())

    def _queues(self) -> list[Door]:
        return [door for door in self._doors.values() if door.has_queue()]

    def _wake_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = None if when == math.inf else loop.call_at(when, self.let_in)


class Door:
    """One model's way through its provider's gate."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.pace = Pace()
        self.waiting: OrderedDict[_Place, None] = OrderedDict()
        self.refused_at = -math.inf
        self._told_until = -math.inf
        self._refuses = False

    @property
    def counts_tokens(self) -> bool:
        """Whether it needs to know how many tokens a call is expected to use."""
        return self.gate.counts_tokens

    @property
    def held_for(self) -> float:
        """Seconds for which the provider asked that nothing is sent; 0 where it doesn't, or where it is time to try."""
        now = asyncio.get_running_loop().time()
        opens = max(self.pace.opens, self.gate.pace.opens)
        return max(self._told_until, opens) - now if opens > now else 0.0

    @property
    def next(self) -> _Place:
        """Who is at the front of the queue."""
        return next(iter(self.waiting))

    def has_queue(self) -> bool:
        """Whether anybody waits. Who was cancelled is forgotten here, or as soon as its task runs."""
        while self.waiting and self.next.given.done():
            self.waiting.popitem(last=False)
        return bool(self.waiting)

    async def enter(self, tokens: int = 0, *, first: bool = False, clock: Clock | None = None) -> Ticket:
        """Waits until a call that is expected to use so many tokens may go out; :meth:`leave` has to follow.

        Args:
            tokens: Of prompt and answer together.
            first: Whether it goes before all that wait, as a call does that was refused through no fault of its own.
            clock: Stands still while our own limits hold the call back, and goes on while the provider's refusals do.

        Returns:
            What :meth:`went_well` or :meth:`was_refused` is told later.
        """
        now = asyncio.get_running_loop().time()
        if self.gate.is_free(self, tokens, now):
            return self._take(tokens, now)
        return await self._wait(_Place(self.gate.turn(first=first), tokens, clock or ENDLESS), first)

    def leave(self) -> None:
        """The call has ended, well or not."""
        self.pace.leave()
        self.gate.pace.leave()
        self.gate.let_in()

    def went_well(self, ticket: Ticket) -> None:
        """The call was answered."""
        self.pace.went_well(ticket.model)
        self.gate.pace.went_well(ticket.provider)
        self.gate.let_in()

    def was_refused(self, ticket: Ticket, seconds: float, *, again: bool = False, everywhere: bool = False) -> bool:
        """The provider said 429. :meth:`leave` has to follow.

        Args:
            ticket: The call's.
            seconds: How long the provider asks to wait.
            again: Whether the same call was to blame before.
            everywhere: Whether the provider says that it refuses its other models too.

        Returns:
            Whether the call is to blame, rather than that there were too many.
        """
        now = asyncio.get_running_loop().time()
        opens = now + min(seconds, LONGEST_HOLD)
        self._told_until = max(self._told_until, now + seconds)
        to_blame = self.pace.was_refused(ticket.model, opens, again=again)
        if everywhere or self.gate.another_was_refused(self, now):
            beside_others = self.gate.pace.was_refused(ticket.provider, opens if everywhere else now, again=again)
            to_blame = beside_others or self.pace.refuses_all
        self.refused_at = now
        self.gate.let_in()
        for door in self.gate.doors() if everywhere else [self]:
            door.give_up_who_cannot_wait()
        return to_blame

    def check(self, clock: Clock) -> None:
        """Raises HeldBack where a call would wait in vain for the end of a hold."""
        hold = self.held_for
        if hold > LONGEST_HOLD or (hold and clock.ends_within(hold)):
            raise HeldBack(hold)

    def give_up_who_cannot_wait(self) -> None:
        """Tells those in the queue who would wait in vain, so that their fallbacks are asked at once."""
        for place in [one for one in self.waiting if not one.given.done()]:
            try:
                self.check(place.clock)
            except HeldBack as held_back:
                del self.waiting[place]
                place.given.set_exception(held_back)

    def let_next_in(self, now: float) -> None:
        """Gives the next in the queue its place."""
        place, _ = self.waiting.popitem(last=False)
        place.given.set_result(self._take(place.tokens, now))

    def tell_clocks(self, refuses: bool) -> None:
        """Only our own limits stop the clocks: a provider that refuses for too long is given up."""
        if refuses != self._refuses:
            self._refuses = refuses
            for place in self.waiting:
                self._tell(place.clock)

    def _tell(self, clock: Clock) -> None:
        clock.resume() if self._refuses else clock.pause()

    def _take(self, tokens: int, now: float) -> Ticket:
        return Ticket(self.pace.take(), self.gate.take(tokens, now))

    async def _wait(self, place: _Place, first: bool) -> Ticket:
        self.waiting[place] = None
        if first:
            self.waiting.move_to_end(place, last=False)
        self._tell(place.clock)
        self.gate.let_in()
        try:
            return await place.given
        except asyncio.CancelledError:
            if place.given.cancelled():
                self.waiting.pop(place, None)
                self.gate.let_in()  # who comes next may need less
            elif place.given.exception() is None:  # it was given before the cancellation came
                self.leave()
            raise
        finally:
            place.clock.resume()
