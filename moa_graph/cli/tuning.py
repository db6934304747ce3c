"""How a command that owns its process makes it faster; a library never does this to the process that it is in."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

__all__ = ["tuned_loop_factory"]

ALLOCATIONS = 50_000
"""New objects between two collections of the youngest: a call makes many that are gone at once without any."""


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
