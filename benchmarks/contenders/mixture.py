"""This package's own graph."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.client import Ask
from benchmarks.contenders.bare_graph import asking
from benchmarks.contenders.shape import LAYERS, MAX_TOKENS, MODEL, PROPOSERS, TEMPERATURE
from moa_graph import create_moa

__all__ = ["contender", "model_at"]


def model_at(url: str, name: str = MODEL, **settings: Any) -> dict[str, Any]:
    """A model of the simulator, as a mixture describes it."""
    return {"model": f"openai:{name}", "base_url": url, "temperature": TEMPERATURE, "max_tokens": MAX_TOKENS} | settings


@asynccontextmanager
async def contender(url: str) -> AsyncIterator[Ask]:
    propose = {"propose": {"slots": ["m"] * PROPOSERS}}
    described = {
        "name": "benchmark",
        "models": {"m": model_at(url)},
        "stages": [propose] * LAYERS + [{"aggregate": {"slot": "m"}}],
    }
    yield asking(create_moa(described).compile())
