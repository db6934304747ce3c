"""One of six is ten times slower, and a quorum of five doesn't wait for it."""

from __future__ import annotations

from statistics import median

from benchmarks.apart import apart
from benchmarks.figure import Effort, Result, at_most
from benchmarks.mixtures import mixture, seconds_of
from benchmarks.server import Server

PROPOSING = 2
GRACE = 0.1


async def seconds(url: str, queries: int) -> tuple[float, float]:
    """Medians of what a query takes with the straggler, and of what its quorum alone takes; the two in turn."""
    propose = {"quorum": 5, "grace": GRACE}
    six = mixture(url, [*["even"] * 5, "straggler"], "even", stages=PROPOSING, propose=propose)
    five = mixture(url, ["even"] * 5, "even", stages=PROPOSING)
    pairs = [((await seconds_of(six, n))[0], (await seconds_of(five, n))[0]) for n in range(queries + 1)][1:]
    with_straggler, alone = zip(*pairs, strict=True)
    return median(with_straggler), median(alone)


def measure(effort: Effort, server: Server) -> list[Result]:
    taken, alone = apart(seconds, server.base_url, effort.scaled(12, 2))
    goal = (alone + PROPOSING * GRACE) * 1.05
    figure = "one of six 10 x slower, quorum 5, grace 0.1 s, 2 propose stages"
    return [at_most(goal, figure, taken, "s", f"the quorum alone takes {alone:.3f} s")]
