"""Work on an event loop that Ctrl-C stops cleanly."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine
from types import FrameType
from typing import Any, TypeVar

__all__ = ["run", "run_on"]

Result = TypeVar("Result")


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """As ``asyncio.run``, but stopped cleanly by Ctrl-C.

    Args:
        work: What to run.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed, and the work has been cancelled.
    """
    with asyncio.Runner() as runner:
        return run_on(runner, work)


def run_on(runner: asyncio.Runner, work: Coroutine[Any, Any, Result]) -> Result:
    """As ``runner.run``, but Ctrl-C cancels the work between two steps of the loop; a second one stops it at once.

    ``asyncio.Runner`` cancels inside the signal handler, that is in the middle of whatever runs: a step of
    ``asyncio.wait`` that had just seen that nobody had finished its future then fails with "invalid state".

    Args:
        runner: The event loop.
        work: What to run.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed, and the work has been cancelled.
    """
    if not _has_pythons_own_handler():
        return runner.run(work)
    loop = runner.get_loop()
    task: asyncio.Task[Any] | None = None
    interrupted = False

    async def cancellable() -> Result:
        nonlocal task
        task = asyncio.current_task()
        if interrupted:
            work.close()
            raise asyncio.CancelledError
        return await work

    def cancel() -> None:
        if task is not None:
            task.cancel()

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        if interrupted:
            raise KeyboardInterrupt
        interrupted = True
        loop.call_soon_threadsafe(cancel)

    signal.signal(signal.SIGINT, interrupt)
    try:
        return runner.run(cancellable())
    except asyncio.CancelledError:
        if interrupted:
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _has_pythons_own_handler() -> bool:
    """Whether Ctrl-C is nobody else's here: only the main thread hears of it, and a host may have plans of its own."""
    is_main = threading.current_thread() is threading.main_thread()
    return is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
