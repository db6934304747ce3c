"""Six samples of one model, where its provider gives several answers to one request."""

from __future__ import annotations

from benchmarks.apart import apart
from benchmarks.contenders.mixture import model_at
from benchmarks.figure import Effort, Result, exactly
from benchmarks.mixtures import question
from benchmarks.server import Server
from moa_graph import create_moa

SAMPLES = 6


async def requests(url: str) -> int:
    """How many requests one query makes, as the server counts them."""
    described = {
        "name": "self-moa",
        "models": {"m": model_at(url)},
        "stages": [{"propose": {"slots": [{"model": "m", "samples": SAMPLES}]}}, {"aggregate": {"slot": "m"}}],
    }
    await create_moa(described).compile().ainvoke(question(0))
    return int(Server(url.removesuffix("/v1")).totals()["requests"])


def measure(effort: Effort, server: Server) -> list[Result]:
    server.reset()
    counted = apart(requests, server.base_url)
    return [exactly(2, f"requests of self-moa with {SAMPLES} samples", counted)]
