"""Log-normal latencies with 5 % of the proposers' calls ten times slower: a quorum of five of six against all six.

The aggregator is quick in both, since no quorum helps against a slow one.
"""

from __future__ import annotations

import asyncio
from statistics import quantiles
from typing import Any

from benchmarks.apart import apart
from benchmarks.figure import Effort, Result, at_most
from benchmarks.mixtures import mixture, seconds_of
from benchmarks.server import Server

AT_ONCE = 6


async def seconds(url: str, queries: int) -> tuple[list[float], list[float]]:
    """What each query takes with the quorum, and waiting for all, in turn: both meet the same machine."""
    names = [f"spread-{number}" for number in range(6)]
    with_quorum = mixture(url, names, "brisk", propose={"quorum": 5})
    for_all = mixture(url, names, "brisk")
    found: tuple[list[float], list[float]] = ([], [])
    for start in range(0, queries, AT_ONCE):
        for graph, taken in zip((with_quorum, for_all), found, strict=True):
            taken.extend(await _some(graph, range(start, min(start + AT_ONCE, queries))))
    return found


async def _some(graph: Any, numbers: range) -> list[float]:
    return [taken for taken, _ in await asyncio.gather(*(seconds_of(graph, number) for number in numbers))]


def measure(effort: Effort, server: Server) -> list[Result]:
    quorum, everyone = apart(seconds, server.base_url, effort.scaled(400, 12))
    p99 = [quantiles(found, n=100)[98] for found in (quorum, everyone)]
    p50 = [quantiles(found, n=2)[0] for found in (quorum, everyone)]
    return [
        at_most(0.5, "p99 with quorum 5 of 6 against waiting for all", p99[0] / p99[1], "x", _shown(p99)),
        at_most(1.0, "p50 of the same", p50[0] / p50[1], "x", _shown(p50)),
    ]


def _shown(pair: list[float]) -> str:
    return f"{pair[0]:.2f} s against {pair[1]:.2f} s"
