"""All contenders over HTTP send the same requests, so that a benchmark of them compares like with like."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from typing import Any

import pytest

from benchmarks.contenders.shape import LAYERS, MAX_TOKENS, MODEL, PROPOSERS, TEMPERATURE
from tests.loopback import completion, loopback

QUESTION = "How should team number 7 plan its releases?"


async def requests_of(contender: str, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    module = importlib.import_module(f"benchmarks.contenders.{contender}")
    async with loopback(lambda _: completion("Backwards from the end.")) as server:
        async with module.contender(server.url) as ask:
            assert await ask(QUESTION) == "Backwards from the end."
        return [asked.body for asked in server.asked]


def told(body: dict[str, Any]) -> tuple[str, ...]:
    """The messages without the marks of their fences, which each contender chooses for itself."""
    return tuple(f"{one['role']}: {re.sub('[0-9a-f]{12}>>', 'mark>>', one['content'])}" for one in body["messages"])


CONTENDERS = [
    *("mixture", "bare_graph", "bare_graph_on_aiohttp", "graph_on_aiohttp"),
    *("chat_openai_loop", "openai_loop", "openai_on_aiohttp_loop", "together_loop", "aiohttp_loop"),
]


@pytest.mark.parametrize("contender", CONTENDERS)
async def test_a_query_is_nineteen_requests_with_the_same_messages(
    contender: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = await requests_of(contender, monkeypatch)
    assert len(bodies) == LAYERS * PROPOSERS + 1
    for body in bodies:
        limit = body.get("max_tokens") or body.get("max_completion_tokens")
        assert (body["model"], body["temperature"], limit) == (MODEL, TEMPERATURE, MAX_TOKENS)
        assert not body.get("stream")
    counted = Counter(told(body) for body in bodies)
    assert counted == Counter(told(body) for body in await requests_of("openai_loop", monkeypatch))
    assert sorted(counted.values()) == [PROPOSERS, (LAYERS - 1) * PROPOSERS + 1]
