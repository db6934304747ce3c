"""What a query takes when its models take their time, over the sum of its slowest calls."""

from __future__ import annotations

from statistics import median
from typing import Any

from benchmarks.apart import apart
from benchmarks.figure import Effort, Result, at_most
from benchmarks.mixtures import mixture, seconds_of
from benchmarks.server import Server


async def ratios(url: str, queries: int) -> list[float]:
    """Of each query, after one that opens the connections."""
    graph = mixture(url, ["even"] * 6, "even", stages=3)
    await seconds_of(graph, 0)
    return [_ratio(*await seconds_of(graph, number)) for number in range(1, queries + 1)]


def _ratio(seconds: float, state: dict[str, Any]) -> float:
    slowest: dict[str, float] = {}
    for call in state["ledger"]:
        slowest[call["stage"]] = max(slowest.get(call["stage"], 0.0), call["seconds"])
    return seconds / sum(slowest.values())


def measure(effort: Effort, server: Server) -> list[Result]:
    found = apart(ratios, server.base_url, effort.scaled(12, 2))
    return [at_most(1.02, "wall time at 200 ms a call over the slowest calls", median(found), "x")]
