"""An answer that is streamed may take longer than its time while something of it comes, but not without end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from moa_graph import create_moa
from moa_graph.calls import exchange
from tests.models_for_tests import scripted

HOUR = 3600.0


class Endless(GenericFakeChatModel):
    """Streams without end."""

    piece: AIMessageChunk
    between: float

    async def _astream(self, *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
        while True:
            await asyncio.sleep(self.between)
            yield ChatGenerationChunk(message=self.piece.model_copy())  # LangChain numbers chunks


TEXT = AIMessageChunk(content="and so on ")
LONG_TEXT = AIMessageChunk(content="and so on " * 200)
THOUGHT = AIMessageChunk(content="", additional_kwargs={"reasoning_content": "or rather "})
LONG_THOUGHT = AIMessageChunk(content="", additional_kwargs={"reasoning_content": "or rather " * 200})


@pytest.mark.virtual_clock
@pytest.mark.parametrize(
    ("piece", "between", "longest"),
    [(TEXT, 10.0, HOUR), (THOUGHT, 10.0, HOUR), (LONG_TEXT, 2.0, 200.0), (LONG_THOUGHT, 2.0, 200.0)],
    ids=["drops of text", "drops of reasoning", "text without end", "reasoning without end"],
)
async def test_a_stream_without_end_ends_in_a_timeout(
    monkeypatch: pytest.MonkeyPatch, piece: AIMessageChunk, between: float, longest: float
) -> None:
    monkeypatch.setattr(exchange, "LONGEST_STREAM", 40_000)
    writer = Endless(messages=iter(()), piece=piece, between=between)
    graph: Any = create_moa(proposers=[scripted("p", "a proposal")], aggregator=writer).compile()
    began = asyncio.get_running_loop().time()
    question = {"messages": [("user", "Why?")]}
    parts = [part async for part in graph.astream(question, stream_mode=["messages", "values"])]
    assert asyncio.get_running_loop().time() - began < longest
    state = parts[-1][1]
    assert state["messages"][-1].text == "a proposal"
    assert [call["failure"]["kind"] for call in state["ledger"] if call["failure"]] == ["timeout"], state["ledger"]
