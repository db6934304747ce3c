"""Equal work in flight at once, done once ("single flight")."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

__all__ = ["Flights"]

T = TypeVar("T")


class _Flight(Generic[T]):
    """Work that one or more callers wait for, in a task that none of them owns."""

    def __init__(self, task: asyncio.Task[T]) -> None:
        self.task = task
        self.waiting = 0
        self.taken = False

    def take(self) -> tuple[T, bool]:
        """The result, and whether this is the first time that it is taken."""
        result = self.task.result()
        first, self.taken = not self.taken, True
        return result, first


class Flights:
    """Work by key, per event loop. Nothing stays in flight that nobody waits for."""

    def __init__(self) -> None:
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _Flight[Any]]] = WeakKeyDictionary()

    async def join(self, key: str, work: Callable[[], Coroutine[Any, Any, T]]) -> tuple[T, bool]:
        """The result of ``work``, or of equal work that is in flight already.

        A caller that is cancelled leaves the work to the others; when none is left it is cancelled, and has
        ended before this returns. What it raises reaches every caller. It runs in the context of the caller
        that started it.

        Returns:
            The result, and whether this caller accounts for it: exactly one of those that get it does.
        """
        flights = self._by_loop.setdefault(asyncio.get_running_loop(), {})
        while True:
            flight, started = flights.get(key), False
            if flight is None:
                flight, started = _start(flights, key, work), True
            await _wait(flight, flights, key)
            if started or not flight.task.cancelled():
                return flight.take()
            # Its task was cancelled, but not this caller, who takes over.


def _start(flights: dict[str, _Flight[Any]], key: str, work: Callable[[], Coroutine[Any, Any, T]]) -> _Flight[T]:
    flight = flights[key] = _Flight(asyncio.create_task(work(), name=f"call {key[:12]}"))
    flight.task.add_done_callback(lambda _: _land(flight, flights, key))
    return flight


def _land(flight: _Flight[Any], flights: dict[str, _Flight[Any]], key: str) -> None:
    _forget(flight, flights, key)
    if not flight.task.cancelled():
        flight.task.exception()  # seen; else asyncio logs the provider's words if the last caller just left


def _forget(flight: _Flight[Any], flights: dict[str, _Flight[Any]], key: str) -> None:
    if flights.get(key) is flight:
        del flights[key]


async def _wait(flight: _Flight[Any], flights: dict[str, _Flight[Any]], key: str) -> None:
    """Returns when the flight's task is done, however it ended."""
    flight.waiting += 1
    try:
        await asyncio.wait([flight.task])
    except asyncio.CancelledError:
        if flight.waiting == 1:
            _forget(flight, flights, key)  # first, so that nobody joins what is being cancelled
            await _cancel(flight.task)
        raise
    finally:
        flight.waiting -= 1


async def _cancel(task: asyncio.Task[Any]) -> None:
    """Cancels ``task`` and waits for its end, also when the caller is cancelled once more meanwhile."""
    while not task.done():
        task.cancel()
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            continue
