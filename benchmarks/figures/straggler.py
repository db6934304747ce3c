"""One of six is ten times slower, and a quorum of five doesn't wait for it."""

from __future__ import annotations

from statistics import median

from benchmarks.apart import apart
from benchmarks.figure import Effort, Result, at_most
from benchmarks.mixtures import mixture, profile, seconds_of
from benchmarks.server import served

SECONDS_A_CALL = 0.2
PROPOSING = 2
QUORUM_TIME = SECONDS_A_CALL * (PROPOSING + 1)
GRACE = 0.1


async def seconds(url: str, queries: int) -> list[float]:
    """What each query takes, after one that opens the connections."""
    propose = {"quorum": 5, "grace": GRACE}
    graph = mixture(url, ["quick"] * 5 + ["slow"], "quick", stages=PROPOSING, propose=propose)
    await seconds_of(graph, 0)
    return [(await seconds_of(graph, number))[0] for number in range(1, queries + 1)]


def measure(effort: Effort) -> list[Result]:
    profiles = {
        "quick": profile("quick", SECONDS_A_CALL),
        "slow": profile("slow", 10 * SECONDS_A_CALL),
    }
    with served(profiles) as server:
        found = median(apart(seconds, server.base_url, effort.scaled(12, 5)))
    goal = (QUORUM_TIME + PROPOSING * GRACE) * 1.05
    return [at_most(goal, "one of six 10 x slower, quorum 5, grace 0.1 s", found, "s")]
