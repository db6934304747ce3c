"""How processes are started, and which core each works on: the server has one, the clients the other."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.context import ForkServerContext

__all__ = ["CLIENT", "SERVER", "cores", "pin_to_core", "processes"]

SERVER, CLIENT = 0, 1


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pin_to_core(core: int) -> None:
    """Keep this process on one core, where the system lets one choose."""
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {allowed[core % len(allowed)]})


def processes() -> ForkServerContext:
    """Starts processes that have the slow imports behind them and nothing else of this one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.contenders.mixture", "langchain_openai", "moa_graph.server.simulator"])
    return context
