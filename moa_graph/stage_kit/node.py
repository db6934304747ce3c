"""Nodes that work under ``invoke`` and ``ainvoke`` alike."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any

import anyio
from anyio.from_thread import BlockingPortal
from langchain_core.runnables import Runnable, RunnableConfig, ensure_config

from moa_graph.calls.fair_loop import let_others_run
from moa_graph.state import MoaState

__all__ = ["Node", "NodeBody", "loop_thread"]

NodeBody = Callable[[MoaState, RunnableConfig], Awaitable[dict[str, Any]]]
"""What a node does: it reads the state and gives back an update."""


class Node(Runnable[MoaState, dict[str, Any]]):
    """A node made of one coroutine function.

    LangGraph runs a sync graph's nodes on threads. There the coroutine runs on one event loop that all sync runs of the
    process share, so that clients, rounds and limits are the same as in an async run.

    Args:
        work: The coroutine function.
    """

    def __init__(self, work: NodeBody) -> None:
        self.work = work

    def invoke(self, input: MoaState, config: RunnableConfig | None = None, **_: Any) -> dict[str, Any]:
        """Runs the node from a thread without an event loop."""
        return loop_thread().call(self.ainvoke, input, config)

    async def ainvoke(self, input: MoaState, config: RunnableConfig | None = None, **_: Any) -> dict[str, Any]:
        """Runs the node. Of many that are ready at once a few go on, so that LangGraph's work is spread as well."""
        await let_others_run()
        update = await self.work(input, config or ensure_config())
        await let_others_run()
        return update


class _LoopThread:
    """One event loop on a thread of its own, started when first needed and ended with the process."""

    def __init__(self) -> None:
        self.forget()
        atexit.register(self.close)

    def close(self) -> None:
        """Ends the thread."""
        if self._portal is not None and self._thread is not None:
            self._portal.start_task_soon(self._portal.stop, True)
            self._thread.join()

    def forget(self) -> None:
        """A forked child has no such thread: it starts its own."""
        self._lock = threading.Lock()
        self._portal: BlockingPortal | None = None
        self._thread: threading.Thread | None = None

    def portal(self) -> BlockingPortal:
        with self._lock:
            if self._portal is None:
                started = Future[BlockingPortal]()
                # anyio's own start_blocking_portal would wait for its thread when it is forgotten: forever, in a child.
                self._thread = threading.Thread(target=_run, args=(started,), name="moa-graph", daemon=True)
                self._thread.start()
                self._portal = started.result()
            return self._portal


class _Loop(asyncio.SelectorEventLoop):
    """A loop that may end while the interpreter does, when no thread can be started any more."""

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Leaves the executor to the loop's close: its threads have ended by then, and waiting takes a new one."""


def _run(started: Future[BlockingPortal]) -> None:
    anyio.run(_serve, started, backend_options={"loop_factory": _Loop})


async def _serve(started: Future[BlockingPortal]) -> None:
    async with BlockingPortal() as portal:
        started.set_result(portal)
        await portal.sleep_until_stopped()


_LOOP_THREAD = _LoopThread()


def loop_thread() -> BlockingPortal:
    """The event loop that all synchronous runs of the process share."""
    return _LOOP_THREAD.portal()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_LOOP_THREAD.forget)
