"""Peak memory of many queries against few, 64 at once."""

from __future__ import annotations

import asyncio
import resource
import sys

from benchmarks.apart import apart
from benchmarks.figure import Effort, Result, at_most
from benchmarks.mixtures import mixture, question
from benchmarks.server import Server

AT_ONCE = 64


async def peak(url: str, queries: int) -> float:
    """The most megabytes that the process has held."""
    graph = mixture(url, ["instant"] * 3, "instant")
    numbers = iter(range(queries))

    async def ask_all() -> None:
        for number in numbers:
            await graph.ainvoke(question(number))

    await asyncio.gather(*(ask_all() for _ in range(AT_ONCE)))
    in_bytes = sys.platform == "darwin"
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 ** (2 if in_bytes else 1)


def measure(effort: Effort, server: Server) -> list[Result]:
    few, many = effort.scaled(1_000, 64), effort.scaled(10_000, 256)
    fewer, more = (apart(peak, server.base_url, queries) for queries in (few, many))
    figure = f"peak memory of {many:,} queries at 64 at once against {few:,}"
    return [at_most(1.2, figure, more / fewer, "x", f"{more:.0f} MB against {fewer:.0f} MB")]
