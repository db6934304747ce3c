"""The thread in which a backend works on its files, which a fork neither breaks nor strikes in the middle."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any, Protocol, TypeVar
from weakref import WeakSet

from moa_graph.errors import MoaError

__all__ = ["Files", "Worker"]

FORK_PATIENCE_SECONDS = 5.0
"""How long a fork waits for the piece of work in hand."""

T = TypeVar("T")


class Files(Protocol):
    """What a backend has open, which a forked child must not share with its parent."""

    def let_go(self) -> None:
        """Closes it; it is opened again when it is needed."""

    def disown(self) -> None:
        """Forgets it without closing it: it is the parent's, which may be at work on it."""


class Worker:
    """One thread that does a backend's file work, piece by piece, in the order in which it was asked for.

    Args:
        name: Of the thread, and in errors.
        files: What the work is on.
    """

    def __init__(self, name: str, files: Files) -> None:
        self._name = name
        self._files = files
        self._closed = False
        self._is_held = False
        self._start()
        _look_out_for_forks()
        with _registering:
            _workers.add(self)

    def _start(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=self._name)
        self._at_work = threading.Lock()

    async def run(self, work: Callable[[], T]) -> T:
        """What ``work`` returns. Raises MoaError once the worker is closed."""
        if self._closed:
            raise MoaError(f"{self._name} is closed: close a store after the last run that uses it")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._alone, work)

    async def aclose(self) -> None:
        """Closes the files after all other work and ends the thread."""
        if (closing := self._begin_to_close()) is not None:
            await asyncio.shield(asyncio.wrap_future(closing))

    def close(self) -> None:
        """As :meth:`aclose`, without waiting: the caller may be the garbage collector, in any thread."""
        try:
            self._begin_to_close()
        except RuntimeError:  # the interpreter ends, and its threads have done their work
            self._files.let_go()

    def _alone(self, work: Callable[[], T]) -> T:
        with self._at_work:
            return work()

    def _begin_to_close(self) -> Future[None] | None:
        """What is done when the worker is closed; None if it was closed before."""
        if self._closed:
            return None
        self._closed = True
        closing = self._thread.submit(self._alone, self._files.let_go)
        self._thread.shutdown(wait=False)
        return closing

    def before_fork(self) -> None:
        """Waits for the piece of work in hand, and closes the files."""
        self._is_held = self._at_work.acquire(timeout=FORK_PATIENCE_SECONDS)
        if self._is_held:
            self._files.let_go()

    def after_fork_in_parent(self) -> None:
        """Goes on."""
        if self._is_held:
            self._at_work.release()

    def after_fork_in_child(self) -> None:
        """Begins anew: a child has none of its parent's threads, and work asked for there is the parent's."""
        _of_the_parent.append(self._thread)
        if not self._is_held:
            self._files.disown()
        self._start()


_registering = threading.Lock()
_workers: WeakSet[Worker] = WeakSet()
_of_the_parent: list[Any] = []


def _before_fork() -> None:
    _registering.acquire()
    for worker in _workers:
        worker.before_fork()


def _after_fork_in_parent() -> None:
    for worker in _workers:
        worker.after_fork_in_parent()
    _registering.release()


def _after_fork_in_child() -> None:
    for worker in _workers:
        worker.after_fork_in_child()
    _registering.release()


@cache
def _look_out_for_forks() -> None:
    """Has forks wait for the work in hand.

    File locks come first: they too have something done before a fork, in the reverse order of registration, and work
    in hand may need them.
    """
    import filelock  # noqa: F401  (imported for its hook)

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
        )
