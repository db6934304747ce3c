"""How a command that owns its process makes it faster; a library never does this to the process that it is in."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

__all__ = ["seldom_collecting", "tuned_loop_factory"]

ALLOCATIONS = 50_000
"""New objects between two collections of the youngest: a call makes many that are gone at once without any."""

OF_A_START = 200_000
"""More than a command's imports leave behind: they are done before anything is collected."""


@contextmanager
def seldom_collecting() -> Iterator[None]:
    """Collects garbage seldom while a command runs, and not at all as its process ends.

    Imports make a few hundred thousand objects that stay: to look through them all again and again, and once more at
    the end, takes a third of the time of a short command.
    """
    gc.set_threshold(OF_A_START, 20, 100)
    try:
        yield
    finally:
        gc.freeze()


def tuned_loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Has garbage collected less often, and gives the fastest event loop that is installed.

    For ``asyncio.Runner(loop_factory=...)``; None, if there is no uvloop, is asyncio's own loop.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS, 20, 100)
    try:
        import uvloop
    except ImportError:  # it isn't made for every system
        return None
    return uvloop.new_event_loop
