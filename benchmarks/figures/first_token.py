"""What lies between the last proposal and the answer's first token, beyond the model's own time."""

from __future__ import annotations

import time
from statistics import quantiles
from typing import Any

from benchmarks.apart import apart
from benchmarks.figure import Effort, Result, at_most
from benchmarks.mixtures import mixture, profile, question
from benchmarks.server import served

FIRST_TOKEN = 0.1


async def delays(url: str, queries: int) -> list[float]:
    """Milliseconds of each query, after one that opens the connections."""
    graph = mixture(url, ["quick"] * 6, "writer", stages=2)
    return [await _delay(graph, number) for number in range(queries + 1)][1:]


async def _delay(graph: Any, number: int) -> float:
    first_seen, last_proposal = 0.0, 0.0
    async for mode, part in graph.astream(question(number), stream_mode=["messages", "custom"]):
        if mode == "messages":
            first_seen = first_seen or time.perf_counter()
        elif part["type"] == "record_finished" and part["kind"] == "proposal":
            last_proposal = time.perf_counter()
    return (first_seen - last_proposal - FIRST_TOKEN) * 1000


def measure(effort: Effort) -> list[Result]:
    profiles = {"quick": profile("quick", 0.02), "writer": profile("writer", FIRST_TOKEN, rate=2_000)}
    with served(profiles) as server:
        found = apart(delays, server.base_url, effort.scaled(300, 40))
    cuts = quantiles(found, n=100)
    return [at_most(10, "delay added to the answer's first token, p99", cuts[98], "ms", f"p50 {cuts[49]:.1f} ms")]
