"""A stream that its server says is done is whole, also where no reason for its end was given."""

from __future__ import annotations

import json
from typing import Any

import pytest

from moa_graph import create_moa
from tests.loopback import Reply, loopback


def stream(*texts: str, done: bool) -> Reply:
    chunks = [{"choices": [{"index": 0, "delta": {"role": "assistant", "content": text}}]} for text in texts]
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks] + (["data: [DONE]\n\n"] if done else [])
    return Reply(body="".join(lines).encode(), headers={"Content-Type": "text/event-stream"})


async def answer(done: bool) -> tuple[list[str], list[int]]:
    """The answers of two runs, the first of which goes the SDK's way, and the requests of each."""
    texts, requests = [], []
    async with loopback(lambda _: stream("Hello ", "world", done=done)) as server:
        models: Any = {"a": {"model": "openai:gpt-4o", "base_url": server.url}}
        slot = {"model": "a", "tries": 2, "partial": "keep"}
        graph = create_moa({"models": models, "stages": [{"aggregate": {"slot": slot}}]}).compile()
        for _ in range(2):
            before = len(server.asked)
            last: Any = None
            async for _mode, part in graph.astream({"messages": [("user", "hi")]}, stream_mode=["messages", "values"]):
                last = part
            texts.append(last["messages"][-1].text)
            requests.append(len(server.asked) - before)
    return texts, requests


async def test_a_stream_that_is_done_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    assert await answer(done=True) == (["Hello world"] * 2, [1, 1])


async def test_a_stream_that_just_ends_was_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    _, requests = await answer(done=False)
    assert requests == [2, 2]
