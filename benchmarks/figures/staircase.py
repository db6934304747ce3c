"""The time until the answer's first token, when the aggregator doesn't wait for the proposals' ends."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

from benchmarks.apart import apart
from benchmarks.figure import Effort, Result, at_most
from benchmarks.mixtures import mixture, question
from benchmarks.server import Server

FIRST_TOKENS = 80


async def seconds(url: str, queries: int) -> tuple[float, float]:
    """Medians with the staircase and without, the two in turn."""
    staircase = {"staircase": {"tokens": FIRST_TOKENS}}
    graphs = [mixture(url, ["long"] * 6, "writer", aggregate=aggregate) for aggregate in (staircase, {})]
    found = [[await _until_first_token(graph, number) for graph in graphs] for number in range(queries + 1)][1:]
    return median(with_it for with_it, _ in found), median(without for _, without in found)


async def _until_first_token(graph: Any, number: int) -> float:
    began, first = time.perf_counter(), 0.0
    async for _ in graph.astream(question(number), stream_mode="messages"):
        first = first or time.perf_counter() - began
    return first


def measure(effort: Effort, server: Server) -> list[Result]:
    with_it, without = apart(seconds, server.base_url, effort.scaled(7, 1))
    figure = "first token with staircase against without, proposers of 400 tokens"
    shown = f"{with_it:.2f} s against {without:.2f} s, after {FIRST_TOKENS} of 400 tokens"
    return [at_most(0.5, figure, with_it / without, "x", shown)]
