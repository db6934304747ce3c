"""What the server still works at a second after its clients have left."""

from __future__ import annotations

import asyncio

from benchmarks.apart import apart
from benchmarks.figure import Effort, Result, exactly
from benchmarks.mixtures import mixture, question
from benchmarks.server import Server

RUNS = 16


async def leave_plain(url: str) -> dict[str, int]:
    """Cancels runs whose proposers hang, and lets others be cut by a quorum."""
    graph = mixture(url, ["endless"] * 6, "instant")
    runs = [asyncio.create_task(graph.ainvoke(question(number))) for number in range(RUNS)]
    await asyncio.sleep(1)
    for run in runs:
        run.cancel()
    await asyncio.gather(*runs, return_exceptions=True)
    with_quorum = mixture(url, ["instant", "endless"], "instant", propose={"quorum": 1})
    await asyncio.gather(*(with_quorum.ainvoke(question(number)) for number in range(RUNS)))
    return await _counted_later(url)


async def leave_streaming(url: str) -> dict[str, int]:
    """Leaves answers after their first token."""
    graph = mixture(url, ["instant"] * 2, "slow-writer")

    async def first_token(number: int) -> None:
        async for _ in graph.astream(question(number), stream_mode="messages"):
            break

    await asyncio.gather(*(first_token(number) for number in range(RUNS)))
    return await _counted_later(url)


async def _counted_later(url: str) -> dict[str, int]:
    """The server's own counts after a second, in which this process keeps its connections."""
    await asyncio.sleep(1)
    totals = await asyncio.to_thread(Server(url.removesuffix("/v1")).totals)
    return {name: totals[name] for name in ("in_flight", "aborted")}


def measure(effort: Effort, server: Server) -> list[Result]:
    results = []
    for figure, leave in (
        ("cancelled calls still open at the server 1 s later", leave_plain),
        ("the same, streaming", leave_streaming),
    ):
        server.reset()
        counts = apart(leave, server.base_url)
        assert counts["aborted"] > 0, "nothing was cancelled"
        results.append(exactly(0, figure, counts["in_flight"], "", f"{counts['aborted']} were cancelled"))
    return results
