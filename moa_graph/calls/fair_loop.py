"""An event loop that stays responsive while hundreds of runs are in step with each other.

Runs that start together, or whose models answer together, are all ready at the same moment. An event loop then works
through every one of them before it looks at its timers and sockets again, which takes seconds. So only a few go on in
each round of the loop, and the others in the following ones.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, Future
from collections import deque

from moa_graph.models.clients import of_running_loop

__all__ = ["let_others_run"]

AT_ONCE = 12
"""How many go on in one round of the loop: some milliseconds of work for each, with what LangGraph does about it."""


class _Share:
    """Who may go on in the present round of a loop."""

    def __init__(self) -> None:
        self._left = AT_ONCE
        self._waiting: deque[Future[None]] = deque()

    def is_taken(self, loop: AbstractEventLoop) -> bool:
        """Takes a place in this round of the loop, if one is left."""
        if self._left == 0 or self._waiting:
            return False
        if self._left == AT_ONCE:
            loop.call_soon(self._renew, loop)
        self._left -= 1
        return True

    async def wait(self, loop: AbstractEventLoop) -> None:
        """Waits for a later round."""
        turn = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _renew(self, loop: AbstractEventLoop) -> None:
        self._left = AT_ONCE
        while self._left and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # or it was cancelled
                turn.set_result(None)
                self._left -= 1
        if self._left < AT_ONCE:
            loop.call_soon(self._renew, loop)


async def let_others_run() -> None:
    """Goes on at once, unless many have gone on in this round of the event loop: then in one of the next."""
    loop = asyncio.get_running_loop()
    share = of_running_loop().once(_Share, _Share)
    if not share.is_taken(loop):
        await share.wait(loop)
