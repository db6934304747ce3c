"""Runs an asynchronous generator in a context of its own, read from the running event loop or from a plain thread."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, suppress
from contextvars import Context
from typing import TypeVar

from moa_graph.stage_kit.node import loop_thread

__all__ = ["pumped", "pumped_from_thread"]

T = TypeVar("T")

ItemSource = Callable[[], AsyncGenerator[T, None]]


async def pumped(source: ItemSource[T], context: Context) -> AsyncGenerator[T]:
    """The items of ``source``, which runs as a task in ``context`` and ends with the reading of it."""
    items: asyncio.Queue[T | None] = asyncio.Queue()
    task = asyncio.create_task(_pump(source, items.put_nowait), context=context)
    try:
        while (item := await items.get()) is not None:
            yield item
        await task
    finally:
        await _end(task)


def pumped_from_thread(source: ItemSource[T], context: Context) -> Generator[T]:
    """The items of ``source``, which runs on the event loop that all synchronous runs share."""
    items: queue.SimpleQueue[T | None] = queue.SimpleQueue()

    async def start() -> asyncio.Task[None]:
        return asyncio.create_task(_pump(source, items.put), context=context)

    task = loop_thread().call(start)
    try:
        while (item := items.get()) is not None:
            yield item
        loop_thread().call(_result, task)
    finally:
        loop_thread().call(_end, task)


async def _pump(source: ItemSource[T], put: Callable[[T | None], object]) -> None:
    """Puts every item, and None behind the last."""
    try:
        async with aclosing(source()) as items:
            async for item in items:
                put(item)
    finally:
        put(None)


async def _result(task: asyncio.Task[None]) -> None:
    await task


async def _end(task: asyncio.Task[None]) -> None:
    """Cancels once and waits: a second cancellation would cut short what the first one closes."""
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task
