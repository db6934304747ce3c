"""What a mixture adds to the time until its aggregator's first token: from the last proposal on.

What the model itself takes until then, asked directly through ``ChatOpenAI``, is taken off.
"""

from __future__ import annotations

import time
from statistics import median, quantiles
from typing import Any

from benchmarks.apart import apart
from benchmarks.contenders.chat_models import chat_openai
from benchmarks.figure import Effort, Result, at_most
from benchmarks.mixtures import mixture, question
from benchmarks.server import Server


async def delays(url: str, queries: int) -> list[float]:
    """Milliseconds of each query, after those that open the connections."""
    graph = mixture(url, ["brisk"] * 6, "writer", stages=2)
    model = chat_openai(url).model_copy(update={"model_name": "writer"})
    direct = median([await _first_token(model) for _ in range(11)][1:])
    return [(await _from_last_proposal(graph, number) - direct) * 1000 for number in range(queries + 1)][1:]


async def _first_token(model: Any) -> float:
    began = time.perf_counter()
    async for chunk in model.astream("How should a team plan its releases?"):
        if chunk.text:
            break
    return time.perf_counter() - began


async def _from_last_proposal(graph: Any, number: int) -> float:
    first_seen, last_proposal = 0.0, 0.0
    async for mode, part in graph.astream(question(number), stream_mode=["messages", "custom"]):
        if mode == "messages":
            first_seen = first_seen or time.perf_counter()
        elif part["type"] == "record_finished" and part["kind"] == "proposal":
            last_proposal = time.perf_counter()
    return first_seen - last_proposal


def measure(effort: Effort, server: Server) -> list[Result]:
    found = apart(delays, server.base_url, effort.scaled(200, 10))
    cuts = quantiles(found, n=100)
    return [at_most(10, "delay added to the answer's first token, p99", cuts[98], "ms", f"p50 {cuts[49]:.1f} ms")]
