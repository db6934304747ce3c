"""How many runs go on at once for one key, how many requests wait, and what a key may spend in a day."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from moa_graph.server.openai.errors import ApiError
from moa_graph.server.openai.metrics import Metrics
from moa_graph.server.openai.settings import Settings
from moa_graph.server.openai.spending import SpendingByKey

__all__ = ["Admission"]


class Admission:
    """Lets requests in, in their order.

    Args:
        settings: The limits of each key.
        metrics: Where waiting is counted.
        spending: What each key has spent; None where nothing limits it.
    """

    def __init__(self, settings: Settings, metrics: Metrics, spending: SpendingByKey | None = None) -> None:
        self._settings = settings
        self._metrics = metrics
        self._spending = spending
        self._places: dict[str, asyncio.Semaphore] = {}
        self._inside: dict[str, int] = {}

    def check(self, owner: str) -> None:
        """Whether a request may come in now.

        Raises:
            ApiError: 429, the key has spent what it may today, or too many of its requests wait.
        """
        self._check_spending(owner)
        if self._inside.get(owner, 0) >= self._settings.concurrency + self._settings.queue:
            message = (
                f"{self._settings.concurrency} runs are in progress with this key and {self._settings.queue} requests "
                "are waiting: try again later."
            )
            raise ApiError(429, message, code="too_many_requests", headers={"retry-after": "2"})

    def _check_spending(self, owner: str) -> None:
        limit = self._settings.usd_per_day
        if limit is None or self._spending is None or self._spending.today(owner) < limit:
            return
        message = f"This key has spent its {limit:g} US dollars of today (UTC)."
        headers = {"retry-after": str(self._spending.seconds_left()), "x-should-retry": "false"}
        raise ApiError(429, message, code="daily_limit_reached", headers=headers)

    @asynccontextmanager
    async def enter(self, owner: str) -> AsyncIterator[None]:
        """Waits for one of the key's places, and holds it.

        Raises:
            ApiError: 429, as for :meth:`check`: others may have come first.
        """
        self.check(owner)
        places = self._places.setdefault(owner, asyncio.Semaphore(self._settings.concurrency))
        self._inside[owner] = self._inside.get(owner, 0) + 1
        try:
            with self._metrics.waiting.track_inprogress():
                await places.acquire()
            try:
                self._check_spending(owner)  # those before it may have spent the rest
                yield
            finally:
                places.release()
        finally:
            self._inside[owner] -= 1
            if not self._inside[owner]:
                del self._inside[owner], self._places[owner]
