"""How fast one provider is asked, by all runs of an event loop together.

A gate bounds the calls in flight, the requests and the tokens a minute. When the provider says 429, every call to it
waits as long as it asks for, and then fewer go out at once, more again with each that goes well.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque

from aiolimiter import AsyncLimiter
from pydantic import Field

from moa_graph.description import Description
from moa_graph.models.catalogue import Member
from moa_graph.models.clients import of_running_loop

__all__ = ["Gate", "Limits", "gate_of"]

MINUTE = 60.0


class Limits(Description):
    """What one provider allows one key. What isn't given isn't limited, until the provider itself says 429."""

    concurrency: int | None = Field(default=None, ge=1, description="Calls in flight at once.")
    requests: int | None = Field(default=None, ge=1, description="Requests a minute.")
    tokens: int | None = Field(default=None, ge=1, description="Prompt and output tokens a minute, estimated.")


class Gate:
    """Lets calls to one provider through, those that came first before the others.

    How many may be in flight after a refusal follows TCP's congestion control (RFC 5681, section 3.1): one, then one
    more for each that goes well, and above half of what was in flight at the refusal, one more for each full round.

    Args:
        limits: What the provider allows.
    """

    def __init__(self, limits: Limits) -> None:
        self._most = limits.concurrency or math.inf
        self._allowed: float = self._most
        self._threshold: float = self._most
        self._inside = 0
        self._storms = 0
        self._opens = -math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._requests = AsyncLimiter(limits.requests, MINUTE) if limits.requests else None
        self._tokens = AsyncLimiter(limits.tokens, MINUTE) if limits.tokens else None

    @property
    def counts_tokens(self) -> bool:
        """Whether it needs to know how many tokens a call is reckoned with."""
        return self._tokens is not None

    async def enter(self, tokens: int) -> int:
        """Waits until a call of about so many tokens may go out; :meth:`leave` has to follow.

        Returns:
            How many storms there were before, for :meth:`went_well` and :meth:`was_refused`.
        """
        if self._requests is not None:
            await self._requests.acquire()
        if self._tokens is not None:
            await self._tokens.acquire(min(tokens, self._tokens.max_rate))
        if self._waiting or not self._is_open():
            await self._wait_for_place()
        else:
            self._inside += 1
        return self._storms

    def leave(self) -> None:
        """The call has ended, well or not."""
        self._inside -= 1
        self._let_in()

    def went_well(self, storms: int) -> None:
        """The call that came in after so many storms was answered; one from before the last says nothing of now."""
        if storms == self._storms:
            step = 1 if self._allowed < self._threshold else 1 / self._allowed
            self._allowed = min(self._allowed + step, self._most)
            self._let_in()

    def was_refused(self, storms: int, seconds: float) -> None:
        """The provider said 429: nothing goes out for so many seconds, and then little.

        Args:
            storms: How many storms there were when the call came in: what all calls of one storm say counts once.
            seconds: How long the provider asks to wait.
        """
        self._opens = max(self._opens, asyncio.get_running_loop().time() + seconds)
        if storms == self._storms:
            self._storms += 1
            self._threshold = max(min(self._allowed, self._inside + 1) / 2, 1)
            self._allowed = 1

    def _is_open(self) -> bool:
        return self._inside + 1 <= self._allowed and self._opens <= asyncio.get_running_loop().time()

    async def _wait_for_place(self) -> None:
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        self._let_in()
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # it was given before the cancellation came
                self.leave()
            raise

    def _let_in(self) -> None:
        while self._waiting and (self._waiting[0].done() or self._is_open()):
            place = self._waiting.popleft()
            if not place.done():
                self._inside += 1
                place.set_result(None)
        loop = asyncio.get_running_loop()
        if self._waiting and self._timer is None and self._opens > loop.time():
            self._timer = loop.call_at(self._opens, self._open_again)

    def _open_again(self) -> None:
        self._timer = None
        self._let_in()


def gate_of(member: Member, limits: Limits | None) -> Gate:
    """The gate that all calls of the running event loop to a member's provider, address and key go through.

    Whose models two chat model objects are isn't known, so each has a gate of its own.
    """
    provider = member.provider if member.written else id(member.settings.model)
    key = ("gate", provider, member.settings.base_url, member.key_variable, limits)
    return of_running_loop().once(key, lambda: Gate(limits or Limits()))
