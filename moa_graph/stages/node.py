"""Nodes that work under ``invoke`` and ``ainvoke`` alike."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal
from langchain_core.runnables import Runnable, RunnableConfig, ensure_config

from moa_graph.state import MoaState

__all__ = ["Node", "Work", "loop_thread"]

Work = Callable[[MoaState, RunnableConfig], Awaitable[dict[str, Any]]]
"""What a node does: it reads the state and gives back an update."""


class Node(Runnable[MoaState, dict[str, Any]]):
    """A node made of one coroutine function.

    LangGraph runs a sync graph's nodes on threads. There the coroutine runs on one event loop that all sync runs of the
    process share, so that clients, rounds and limits are the same as in an async run.

    Args:
        work: The coroutine function.
    """

    def __init__(self, work: Work) -> None:
        self.work = work

    def invoke(self, input: MoaState, config: RunnableConfig | None = None, **_: Any) -> dict[str, Any]:
        """Runs the node from a thread without an event loop."""
        return loop_thread().call(self.ainvoke, input, config)

    async def ainvoke(self, input: MoaState, config: RunnableConfig | None = None, **_: Any) -> dict[str, Any]:
        """Runs the node."""
        return await self.work(input, ensure_config(config))


class _LoopThread:
    """One event loop on a thread of its own, started when first needed and ended with the process."""

    def __init__(self) -> None:
        self.forget()
        atexit.register(self.close)

    def close(self) -> None:
        """Ends the thread."""
        self._open.close()

    def forget(self) -> None:
        """A forked child has no such thread: it starts its own."""
        self._lock = threading.Lock()
        self._portal: BlockingPortal | None = None
        self._open = ExitStack()

    def portal(self) -> BlockingPortal:
        with self._lock:
            if self._portal is None:
                self._portal = self._open.enter_context(start_blocking_portal("asyncio", name="moa-graph"))
            return self._portal


_LOOP_THREAD = _LoopThread()


def loop_thread() -> BlockingPortal:
    """The event loop that all synchronous runs of the process share."""
    return _LOOP_THREAD.portal()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_LOOP_THREAD.forget)
