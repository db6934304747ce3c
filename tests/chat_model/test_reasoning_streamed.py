"""The writer's reasoning comes as it is written, in the chunks that its provider gives, and nothing comes twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from moa_graph import AnswerBeganAgain, ChatMoA, create_moa
from moa_graph.calls.thoughts import thought_in
from moa_graph.stage_kit import requests
from tests.models_for_tests import scripted

WHY: Any = {"messages": [("user", "Why?")]}
THOUGHTS = ["Let me", " see", "."]
PIECES = ["Because", " of", " it."]
CITED = {"type": "text", "text": "", "citations": [{"type": "char_location", "cited_text": "blue"}], "index": 1}
BLOCK = {"type": "thinking", "thinking": "Let me see.", "signature": "c2lnbmVk", "index": 0}


def beside() -> list[AIMessageChunk]:
    """As DeepSeek's and most servers of open models stream."""
    thinking = [AIMessageChunk(content="", additional_kwargs={"reasoning_content": one}) for one in THOUGHTS]
    return [*thinking, *(AIMessageChunk(content=one) for one in PIECES)]


def in_blocks() -> list[AIMessageChunk]:
    """As ChatAnthropic streams."""
    thinking: list[Any] = [[{"type": "thinking", "thinking": one, "index": 0}] for one in THOUGHTS]
    signed: Any = [{"type": "thinking", "signature": BLOCK["signature"], "index": 0}]
    said: list[Any] = [[{"type": "text", "text": one, "index": 1}] for one in PIECES]
    given = {"model_provider": "anthropic"}
    return [AIMessageChunk(content=one, response_metadata=given) for one in [*thinking, signed, *said, [CITED]]]


class Thinking(GenericFakeChatModel):
    """Streams given chunks; the first so many streams break off in the middle of the reasoning."""

    chunks: Callable[[], list[AIMessageChunk]]
    broken: int = 0

    async def _astream(self, *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
        for number, message in enumerate(self.chunks()):
            if number == 2 and self.broken:
                self.broken -= 1
                raise ConnectionResetError("reset by peer")
            yield ChatGenerationChunk(message=message)


def thinking(chunks: Callable[[], list[AIMessageChunk]], **fields: Any) -> Thinking:
    return Thinking(messages=iter(()), chunks=chunks, **fields)


def thoughts_in(chunk: AIMessageChunk) -> str:
    blocks = [one for one in chunk.content if isinstance(one, dict)]
    beside: str = chunk.additional_kwargs.get("reasoning_content", "")
    return beside + "".join(one.get("thinking", "") for one in blocks)


def merged(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole


async def streamed(writer: Any) -> list[AIMessageChunk]:
    model = ChatMoA(proposers=[scripted("p")], aggregator=writer)
    return [chunk async for chunk in model.astream("Why?")]


@pytest.mark.parametrize("chunks", [beside, in_blocks])
async def test_reasoning_comes_before_the_answer_piece_by_piece(chunks: Any) -> None:
    came = await streamed(thinking(chunks))
    assert [text for chunk in came if (text := thoughts_in(chunk))] == THOUGHTS
    assert [chunk.text for chunk in came if chunk.text] == PIECES
    assert came.index(next(one for one in came if one.text)) >= len(THOUGHTS)


async def test_reasoning_beside_the_answer_is_in_the_merged_message_once() -> None:
    whole = merged(await streamed(thinking(beside)))
    assert (whole.text, whole.additional_kwargs) == ("Because of it.", {"reasoning_content": "Let me see."})


async def test_blocks_are_in_the_merged_message_once_with_what_belongs_to_them() -> None:
    whole = merged(await streamed(thinking(in_blocks)))
    assert whole.text == "Because of it."
    blocks = [one for one in whole.content if isinstance(one, dict)]
    assert [one for one in blocks if one["type"] == "thinking"] == [BLOCK]
    assert [one["citations"] for one in blocks if one["type"] == "text"] == [CITED["citations"]]


@pytest.mark.parametrize("chunks", [beside, in_blocks])
async def test_whoever_reads_chunks_is_given_them(chunks: Any) -> None:
    graph: Any = create_moa(proposers=[scripted("p")], aggregator=thinking(chunks)).compile()
    agent: Any = create_agent(ChatMoA(proposers=[scripted("p")], aggregator=thinking(chunks)), [])
    for streaming in (graph, agent):
        came = [part[0] async for part in streaming.astream(WHY, stream_mode="messages")]
        assert [text for one in came if (text := thoughts_in(one))] == THOUGHTS
        assert "".join(one.text for one in came) == "Because of it."
        assert len({one.id for one in came}) == 1
    events = ChatMoA(proposers=[scripted("p")], aggregator=thinking(chunks)).astream_events("Why?", version="v2")
    told = [event["data"]["chunk"] async for event in events if event["event"] == "on_chat_model_stream"]
    assert [text for one in told if (text := thoughts_in(one))] == THOUGHTS


async def test_an_answer_that_begins_anew_in_its_reasoning_goes_on_where_that_is_a_text() -> None:
    came = await streamed(thinking(beside, broken=1))
    assert merged(came).text == "Because of it."
    assert [text for chunk in came if (text := thoughts_in(chunk))] == [*THOUGHTS[:2], *THOUGHTS]


async def test_blocks_of_an_abandoned_answer_would_be_shown_to_their_model_so_the_stream_ends() -> None:
    with pytest.raises(AnswerBeganAgain, match="reset by peer"):
        await streamed(thinking(in_blocks, broken=1))


@pytest.mark.parametrize("summary", ["text", [5], [{}], None, 7])
async def test_blocks_in_disorder_cost_nothing_of_the_answer(summary: Any) -> None:
    def disorderly() -> list[AIMessageChunk]:
        content: Any = [{"type": "reasoning", "summary": summary}, {"type": "text", "text": "Because."}]
        return [AIMessageChunk(content=content, response_metadata={"model_provider": "openai"})]

    assert thought_in(disorderly()[0]) == ""
    graph: Any = create_moa(proposers=[scripted("p")], aggregator=thinking(disorderly)).compile()
    came = [part[0] async for part in graph.astream(WHY, stream_mode="messages")]
    assert "".join(one.text for one in came) == "Because."


@asynccontextmanager
async def slow_server(name: str, pause: float) -> AsyncIterator[str]:
    """A server of OpenAI's protocol that streams its reasoning under ``name``, in pieces ``pause`` seconds apart."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        deltas = [*({name: one} for one in THOUGHTS), *({"content": one} for one in PIECES)]
        for delta in deltas:
            await asyncio.sleep(pause)
            writer.write(f"data: {json.dumps({'choices': [{'index': 0, 'delta': delta}]})}\n\n".encode())
        writer.write(b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n')
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


def over_http(base_url: str) -> dict[str, Any]:
    writer = {"model": "openai:w", "base_url": base_url}
    stages = [{"propose": {"slots": ["p"]}}, {"aggregate": {"slot": "w"}}]
    return {"name": "mine", "models": {"p": {"model": scripted("p")}, "w": writer}, "stages": stages}


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
async def test_reasoning_over_http_comes_as_it_is_written_and_keeps_its_answer_alive(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setattr(requests, "_usual_time", lambda *_: 0.35)  # less than the reasoning takes, more than a piece
    async with slow_server(name, pause=0.15) as url:
        graph: Any = create_moa(over_http(url)).compile()
        parts = [part async for part in graph.astream(WHY, stream_mode=["messages", "values"])]
    came = [told[0] for mode, told in parts if mode == "messages"]
    assert [text for one in came if (text := thoughts_in(one))] == THOUGHTS
    assert [one.text for one in came if one.text] == PIECES
    assert parts[-1][1]["report"]["degraded"] == []
    assert parts[-1][1]["messages"][-1].additional_kwargs["reasoning_content"] == "Let me see."
