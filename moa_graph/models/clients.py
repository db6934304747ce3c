"""Pooled HTTP clients and chat models, one set per event loop, closed when the loop ends.

A connection belongs to the loop that opened it, and a graph has no end of its own at which to close one. So a
set hangs on its loop by an asynchronous generator that waits there: ``asyncio.run`` closes what is left of
those last of all.
"""

from __future__ import annotations

import asyncio
import os
import threading
from asyncio import AbstractEventLoop
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable
from contextlib import AsyncExitStack, suppress
from typing import Any, NamedTuple, TypeVar, cast
from weakref import WeakKeyDictionary

from moa_graph.models.transport import Transport, open_transport

__all__ = ["LoopClients", "of_running_loop"]

Made = TypeVar("Made")


class LoopClients:
    """What the models of one event loop share."""

    def __init__(self) -> None:
        self._made: dict[Hashable, Any] = {}
        self._at_the_end = AsyncExitStack()

    def transport(self, host: str, sdk: str = "openai") -> Transport:
        """The clients for one host, shared by all its models, slots and runs.

        Args:
            host: Base URL, or name of the provider where its own address is used.
            sdk: The package that they are for.
        """
        return self.once((Transport, sdk, host), lambda: self._opened(sdk))

    def _opened(self, sdk: str) -> Transport:
        transport = open_transport(sdk)
        self.close_later(transport.pooled.aclose)
        return transport

    def once(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What ``make`` gives, made once for ``key`` in this loop."""
        if key not in self._made:
            self._made[key] = make()
        return cast(Made, self._made[key])

    def close_later(self, close: Callable[[], Awaitable[None]]) -> None:
        """Has ``close`` called when the loop ends, for what brings a client of its own."""
        self._at_the_end.push_async_callback(close)

    async def close(self) -> None:
        """Closes every connection. The set can be used again, and then opens new ones."""
        at_the_end, self._at_the_end, self._made = self._at_the_end, AsyncExitStack(), {}
        await at_the_end.aclose()


class _Registered(NamedTuple):
    clients: LoopClients
    keeper: AsyncGenerator[None, None]


_lock = threading.Lock()
_loops: WeakKeyDictionary[AbstractEventLoop, _Registered] = WeakKeyDictionary()


def of_running_loop() -> LoopClients:
    """The set of the running event loop, made on its first use.

    Raises:
        RuntimeError: No event loop is running.
    """
    loop = asyncio.get_running_loop()
    registered = _loops.get(loop)
    if registered is None:
        clients = LoopClients()
        registered = _Registered(clients, _close_at_the_end(clients))
        _start(registered.keeper)
        with _lock:
            _forget_closed_loops()
            _loops[loop] = registered
    return registered.clients


async def _close_at_the_end(clients: LoopClients) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        with _lock:
            _loops.pop(asyncio.get_running_loop(), None)
        await clients.close()


def _start(keeper: AsyncGenerator[None, None]) -> None:
    """Runs ``keeper`` to its ``yield``, before which it awaits nothing. From then on the loop knows of it."""
    with suppress(StopIteration):
        keeper.__anext__().send(None)


def _forget_closed_loops() -> None:
    """Drops the sets of loops that were closed without ``shutdown_asyncgens``: too late to close them."""
    for loop in [loop for loop in _loops if loop.is_closed()]:
        del _loops[loop]


_of_the_parent: list[Any] = []


def _begin_anew_after_fork() -> None:
    """A child starts with no sets, and keeps its parent's untouched: their sockets are the parent's."""
    global _lock, _loops
    _of_the_parent.append(_loops)
    _lock, _loops = threading.Lock(), WeakKeyDictionary()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew_after_fork)
