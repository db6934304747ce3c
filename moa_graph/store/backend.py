"""What keeps entries, and what those in files share: a thread of their own and a lock among processes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

from filelock import FileLock

from moa_graph.errors import MoaError
from moa_graph.store.entry import Entry

__all__ = ["PATIENCE_SECONDS", "Backend", "Worker", "file_lock"]

PATIENCE_SECONDS = 30.0
"""How long one process waits for another's write, before it gives up with OSError."""

Result = TypeVar("Result")


class Backend(Protocol):
    """Keeps entries by key. It belongs to no event loop: several may use it, at once or one after another."""

    async def get(self, key: str) -> Entry | None:
        """The entry last put under ``key``, or None. Raises OSError if the storage can't be read."""

    async def put(self, key: str, entry: Entry) -> None:
        """Keeps ``entry`` in place of an earlier one. Raises OSError if the storage can't be written.

        Once this returns, the entry survives the end of the process, however it ends.
        """

    async def aclose(self) -> None:
        """Lets go of files and threads, after the work that was asked for before. May be called twice."""

    def close(self) -> None:
        """As :meth:`aclose`, where there is no event loop: it begins to, and waits for nothing."""


def file_lock(path: Path) -> FileLock:
    """The lock that processes take to change the file at ``path``; a killed process lets go of it."""
    return FileLock(f"{path}.lock", timeout=PATIENCE_SECONDS, poll_interval=0.005)


class Worker:
    """One thread that does a backend's file work, piece by piece, in the order in which it was asked for."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._closed = False

    async def run(self, work: Callable[[], Result]) -> Result:
        """What ``work`` returns. Raises MoaError once the worker is closed."""
        if self._closed:
            raise MoaError(f"{self._name} is closed: close a store after the last run that uses it")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def aclose(self, last: Callable[[], None] = lambda: None) -> None:
        """Does ``last`` after all other work and ends the thread."""
        if (closing := self._begin_to_close(last)) is not None:
            await asyncio.shield(asyncio.wrap_future(closing))

    def close(self, last: Callable[[], None] = lambda: None) -> None:
        """As :meth:`aclose`, without waiting: the caller may be the garbage collector, in any thread."""
        try:
            self._begin_to_close(last)
        except RuntimeError:  # the interpreter ends, and its threads have done their work
            last()

    def _begin_to_close(self, last: Callable[[], None]) -> Future[None] | None:
        """What is done when the worker is closed; None if it was closed before."""
        if self._closed:
            return None
        self._closed = True
        closing = self._thread.submit(last)
        self._thread.shutdown(wait=False)
        return closing
