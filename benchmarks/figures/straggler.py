"""One of six is ten times slower, and a quorum of five doesn't wait for it."""

from __future__ import annotations

from statistics import median

from benchmarks.apart import apart
from benchmarks.figure import Effort, Result, at_most
from benchmarks.mixtures import mixture, seconds_of
from benchmarks.models import SECONDS_A_CALL
from benchmarks.server import Server

PROPOSING = 2
GRACE = 0.1


async def seconds(url: str, queries: int) -> list[float]:
    """What each query takes, after one that opens the connections."""
    propose = {"quorum": 5, "grace": GRACE}
    graph = mixture(url, ["even"] * 5 + ["straggler"], "even", stages=PROPOSING, propose=propose)
    await seconds_of(graph, 0)
    return [(await seconds_of(graph, number))[0] for number in range(1, queries + 1)]


def measure(effort: Effort, server: Server) -> list[Result]:
    found = median(apart(seconds, server.base_url, effort.scaled(12, 5)))
    goal = (SECONDS_A_CALL * (PROPOSING + 1) + PROPOSING * GRACE) * 1.05
    return [at_most(goal, "one of six 10 x slower, quorum 5, grace 0.1 s", found, "s")]
