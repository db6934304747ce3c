"""How fast one provider is asked, by all runs of an event loop together.

A gate bounds the calls in flight, the requests and the tokens a minute. When the provider says 429, every call to it
waits as long as it asks for, and then fewer go out at once; each success lets one more out again.
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
    """Lets calls to one provider through.

    Args:
        limits: What the provider allows.
    """

    def __init__(self, limits: Limits) -> None:
        self._most = limits.concurrency or math.inf
        self._allowed = self._most
        self._inside = 0
        self._opens = -math.inf
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._requests = AsyncLimiter(limits.requests, MINUTE) if limits.requests else None
        self._tokens = AsyncLimiter(limits.tokens, MINUTE) if limits.tokens else None

    async def enter(self, tokens: int) -> None:
        """Waits until a call of about so many tokens may go out; :meth:`leave` has to follow."""
        if self._requests is not None:
            await self._requests.acquire()
        if self._tokens is not None:
            await self._tokens.acquire(min(tokens, self._tokens.max_rate))
        await self._take_place()

    def leave(self) -> None:
        """The call has ended, well or not."""
        self._inside -= 1
        self._let_in()

    def slow_down(self, seconds: float) -> None:
        """The provider said 429: nothing goes out for so many seconds, and half as much at once after that."""
        now = asyncio.get_running_loop().time()
        if now >= self._opens:  # the others of one storm say the same thing again
            self._allowed = max(1.0, min(self._allowed, self._inside) / 2)
        self._opens = max(self._opens, now + seconds)

    def speed_up(self) -> None:
        """A call went well: one more may go out at once."""
        self._allowed = min(self._allowed + 1, self._most)
        self._let_in()

    async def _take_place(self) -> None:
        """Waits for a place, those that came first before the others."""
        await self._until_open()
        if self._inside < self._allowed and not self._waiting:
            self._inside += 1
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
            await self._until_open()
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # it was given before the cancellation came
                self._inside -= 1
                self._let_in()
            raise

    async def _until_open(self) -> None:
        wait = self._opens - asyncio.get_running_loop().time()
        if wait > 0:
            await asyncio.sleep(wait)
            await self._until_open()

    def _let_in(self) -> None:
        while self._waiting and self._inside < self._allowed:
            place = self._waiting.popleft()
            if not place.done():
                self._inside += 1
                place.set_result(None)


def gate_of(member: Member, limits: Limits | None) -> Gate:
    """The gate that all calls of the running event loop to a member's provider, address and key go through.

    Whose models two chat model objects are isn't known, so each has a gate of its own.
    """
    chosen = limits or Limits()
    provider = member.provider if member.written else id(member.settings.model)
    key = ("gate", provider, member.settings.base_url, member.key_variable, chosen)
    return of_running_loop().once(key, lambda: Gate(chosen))
