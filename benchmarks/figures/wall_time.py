"""What a query takes when its models take their time, over the sum of its slowest calls."""

from __future__ import annotations

from statistics import median
from typing import Any

from benchmarks.apart import apart
from benchmarks.figure import Effort, Result, at_most
from benchmarks.mixtures import mixture, profile, seconds_of
from benchmarks.server import served

SECONDS_A_CALL = 0.2


async def ratios(url: str, queries: int) -> list[float]:
    """Of each query, after one that opens the connections."""
    graph = mixture(url, ["slow"] * 6, "slow", stages=3)
    await seconds_of(graph, 0)
    return [_ratio(*await seconds_of(graph, number)) for number in range(1, queries + 1)]


def _ratio(seconds: float, state: dict[str, Any]) -> float:
    calls = state["ledger"]
    stages = {call["stage"] for call in calls}
    return seconds / sum(max(call["seconds"] for call in calls if call["stage"] == stage) for stage in stages)


def measure(effort: Effort) -> list[Result]:
    with served({"slow": profile("slow", SECONDS_A_CALL)}) as server:
        found = apart(ratios, server.base_url, effort.scaled(16, 6))
    return [at_most(1.02, "wall time at 200 ms a call over the slowest calls", median(found), "x")]
