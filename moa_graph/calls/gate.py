"""The gate that the calls to one provider go through, and the queue in it that each of its models has.

The gate bounds the calls in flight, the requests and the tokens a minute, for all models together. A refusal (429)
closes the queue of the model that refused for as long as the provider asks, up to five minutes. It closes the
gate only where the provider says that it is about more than the model; where a second model refuses as well, the gate
lets fewer through at once.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

from moa_graph.calls.allowance import MINUTE, Allowance, Taken, arrived
from moa_graph.calls.pace import Pace, Stamp
from moa_graph.calls.patience import ENDLESS, LONGEST_HOLD, Clock, HeldBack

__all__ = ["Gate", "ModelQueue", "Ticket"]


class Ticket(NamedTuple):
    """How a call came in."""

    model: Stamp
    provider: Stamp
    request: Taken | None
    tokens: Taken | None


@dataclass(eq=False)
class _Waiting:
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
        self._by_model: dict[str, ModelQueue] = {}
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

    def queue(self, model: str) -> ModelQueue:
        """The queue of a model, made on its first use."""
        if model not in self._by_model:
            self._by_model[model] = ModelQueue(self)
        return self._by_model[model]

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

    def take(self, model: Stamp, tokens: int, now: float) -> Ticket:
        """A call passes that its model's own queue has let go."""
        return Ticket(model, self.pace.take(), self._requests.take(1, now), self._tokens.take(tokens, now))

    def turn(self, *, first: bool) -> int:
        """The turn of a call that joins a queue: after all others, or before them."""
        if first:
            self._first -= 1
            return self._first
        self._last += 1
        return self._last

    def another_was_refused(self, queue: ModelQueue, now: float) -> bool:
        """Whether a model other than this queue's was refused within the last minute."""
        return any(other is not queue and other.refused_at + MINUTE > now for other in self._by_model.values())

    def is_free(self, queue: ModelQueue, tokens: int, now: float) -> bool:
        """Whether a call may pass that waits for nobody's turn."""
        return not self._occupied_queues() and queue.pace.free_at(now) <= now and self.free_at(tokens, now) <= now

    def let_in(self) -> None:
        """Lets calls go that may, and wakes up when the next one may."""
        if not self._occupied_queues():
            return
        now = asyncio.get_running_loop().time()
        wake = math.inf
        while open_queues := [queue for queue in self._occupied_queues() if queue.pace.free_at(now) <= now]:
            queue = min(open_queues, key=lambda one: one.next.turn)
            wake = self.free_at(queue.next.tokens, now)
            if wake > now:
                break
            queue.let_next_in(now)
            wake = math.inf
        for queue in self._occupied_queues():
            wake = min(wake, *(when for when in (queue.pace.opens, self.pace.opens) if when > now), math.inf)
            queue.tell_clocks(self.pace.refuses(now) or queue.pace.refuses(now))
        self._wake_at(wake)

    def queues(self) -> list[ModelQueue]:
        """Those of all its models."""
        return list(self._by_model.values())

    def _occupied_queues(self) -> list[ModelQueue]:
        return [queue for queue in self._by_model.values() if queue.is_occupied()]

    def _wake_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = None if when == math.inf else loop.call_at(when, self.let_in)


class ModelQueue:
    """The calls to one model that wait at its provider's gate, and how fast the model takes them."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.pace = Pace()
        self.waiting: OrderedDict[_Waiting, None] = OrderedDict()
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
    def next(self) -> _Waiting:
        """Who is at the front of the queue."""
        return next(iter(self.waiting))

    def is_occupied(self) -> bool:
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
        return await self._wait(_Waiting(self.gate.turn(first=first), tokens, clock or ENDLESS), first)

    def arrived(self, ticket: Ticket) -> None:
        """The provider has had the call, which has ended: where calls are counted by the minute, its minute begins."""
        now = asyncio.get_running_loop().time()
        arrived(ticket.request, now)
        arrived(ticket.tokens, now)

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
        for queue in self.gate.queues() if everywhere else [self]:
            queue.give_up_who_cannot_wait()
        return to_blame

    def check(self, clock: Clock) -> None:
        """Raises HeldBack where a call would wait in vain for the end of a hold."""
        hold = self.held_for
        if hold > LONGEST_HOLD or (hold and clock.ends_within(hold)):
            raise HeldBack(hold)

    def give_up_who_cannot_wait(self) -> None:
        """Tells those in the queue who would wait in vain, so that their fallbacks are asked at once."""
        for call in [one for one in self.waiting if not one.given.done()]:
            try:
                self.check(call.clock)
            except HeldBack as held_back:
                del self.waiting[call]
                call.given.set_exception(held_back)

    def let_next_in(self, now: float) -> None:
        """Lets the next call in the queue go."""
        call, _ = self.waiting.popitem(last=False)
        call.given.set_result(self._take(call.tokens, now))

    def tell_clocks(self, refuses: bool) -> None:
        """Only our own limits stop the clocks: a provider that refuses for too long is given up."""
        if refuses != self._refuses:
            self._refuses = refuses
            for call in self.waiting:
                self._tell(call.clock)

    def _tell(self, clock: Clock) -> None:
        clock.resume() if self._refuses else clock.pause()

    def _take(self, tokens: int, now: float) -> Ticket:
        return self.gate.take(self.pace.take(), tokens, now)

    async def _wait(self, call: _Waiting, first: bool) -> Ticket:
        self.waiting[call] = None
        if first:
            self.waiting.move_to_end(call, last=False)
        self._tell(call.clock)
        self.gate.let_in()
        try:
            return await call.given
        except asyncio.CancelledError:
            if call.given.cancelled():
                self.waiting.pop(call, None)
                self.gate.let_in()  # who comes next may need less
            elif call.given.exception() is None:  # it was given before the cancellation came
                self.leave()
            raise
        finally:
            call.clock.resume()
