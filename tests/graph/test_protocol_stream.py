"""The answer token by token in the protocol of ``stream_events(version="v3")``, which today's front ends read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langgraph.graph import START, MessagesState, StateGraph

from moa_graph import ChatMoA, create_moa
from tests.models_for_tests import Reply, provider_error, scripted

pytestmark = pytest.mark.filterwarnings("ignore:The v3 streaming protocol")

WHY: Any = {"messages": [("user", "Why?")]}
PIECES = ["Because", " of", " it."]


def writing(*replies: Any) -> Any:
    return create_moa(proposers=[scripted("a"), scripted("b")], aggregator=scripted("w", *replies)).compile()


async def streamed(graph: Any) -> tuple[list[list[str]], dict[str, Any]]:
    """The pieces of each message that comes, and what the run gave."""
    run = await graph.astream_events(WHY, version="v3")
    messages = [[delta async for delta in message.text] async for message in run.messages]
    return messages, await run.output()


async def test_the_answer_is_one_message_token_by_token() -> None:
    messages, state = await streamed(writing(Reply(pieces=PIECES)))
    assert messages == [PIECES]
    assert state["messages"][-1].text == "Because of it."


def test_without_an_event_loop_too() -> None:
    run = writing(Reply(pieces=PIECES)).stream_events(WHY, version="v3")
    assert [list(message.text) for message in run.messages] == [PIECES]


async def test_the_events_are_those_of_the_protocol() -> None:
    run = await writing(Reply(pieces=PIECES)).astream_events(WHY, version="v3")
    told = [event["params"]["data"][0] async for event in run if event["method"] == "messages"]
    assert [one["event"] for one in told] == [
        "message-start",
        "content-block-start",
        *["content-block-delta"] * 3,
        "content-block-finish",
        "message-finish",
    ]
    assert told[-2]["content"] == {"type": "text", "text": "Because of it."}


async def test_an_answer_that_begins_anew_is_a_message_of_its_own() -> None:
    broken = Reply(pieces=["half", " of"], error=provider_error(503))
    messages, state = await streamed(writing(broken, Reply(pieces=PIECES)))
    assert messages == [["half", " of"], PIECES]
    assert state["messages"][-1].text == "Because of it."


async def test_an_answer_that_was_not_streamed_comes_whole() -> None:
    messages, _ = await streamed(writing(provider_error(401)))
    assert messages == [["a's answer"]]


async def test_proposers_answer_in_one_piece_whoever_watches() -> None:
    proposer = scripted("a", Reply(pieces=["a proposal ", "in two"], text="a whole proposal"))
    graph = create_moa(proposers=[proposer], aggregator=scripted("w")).compile()
    _, state = await streamed(graph)
    assert state["records"][0]["text"] == "a whole proposal"


async def test_an_agents_answer_and_a_subgraphs() -> None:
    model = ChatMoA(proposers=[scripted("a")], aggregator=scripted("w", Reply(pieces=PIECES)))
    agent: Any = create_agent(model, [])
    messages, _ = await streamed(agent)
    assert ["".join(one) for one in messages] == ["Because of it."]
    assert len(messages[0]) >= 3
    parent = StateGraph(MessagesState).add_node("inner", writing(Reply(pieces=PIECES))).add_edge(START, "inner")
    run = await parent.compile().astream_events(WHY, version="v3")
    told = [event["params"] async for event in run if event["method"] == "messages" and event["params"]["namespace"]]
    deltas = [one["data"][0]["delta"]["text"] for one in told if one["data"][0].get("event") == "content-block-delta"]
    assert deltas == PIECES


class Thinking(GenericFakeChatModel):
    """Streams its reasoning before its answer, in one of the forms that providers have for it."""

    form: str

    async def _astream(self, *_: Any, run_manager: Any = None, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
        for thought in ("Let me", " see."):
            yield await self._told(self._thinking(thought), run_manager)
        for piece in PIECES:
            yield await self._told(AIMessageChunk(content=piece), run_manager)

    def _thinking(self, thought: str) -> AIMessageChunk:
        if self.form == "a field":
            return AIMessageChunk(content="", additional_kwargs={"reasoning_content": thought})
        return AIMessageChunk(content=[{"type": "reasoning", "reasoning": thought, "index": 0}])

    async def _told(self, message: AIMessageChunk, run_manager: Any) -> ChatGenerationChunk:
        chunk = ChatGenerationChunk(message=message)
        if run_manager is not None:
            await run_manager.on_llm_new_token(message.text, chunk=chunk)
        return chunk


@pytest.mark.parametrize("form", ["a field", "a block"])
async def test_the_writers_reasoning_comes_piece_by_piece_before_its_answer(form: str) -> None:
    writer = Thinking(messages=iter(()), form=form)
    run = await create_moa(proposers=[scripted("a")], aggregator=writer).compile().astream_events(WHY, version="v3")
    told = [event["params"]["data"][0] async for event in run if event["method"] == "messages"]
    deltas = [one["delta"] for one in told if one["event"] == "content-block-delta"]
    assert [one["reasoning"] for one in deltas if one["type"] == "reasoning-delta"] == ["Let me", " see."]
    assert [one["text"] for one in deltas if one["type"] == "text-delta"] == PIECES
    blocks = [one["content"] for one in told if one["event"] == "content-block-finish"]
    assert blocks == [
        {"type": "reasoning", "reasoning": "Let me see."},
        {"type": "text", "text": "Because of it."},
    ]
    assert {one["message_id"] for one in told} == {told[0]["id"]}


@pytest.mark.parametrize("mode", ["messages", ["messages", "custom"]])
async def test_chunks_come_as_before_where_chunks_are_read(mode: Any) -> None:
    chunks = []
    async for part in writing(Reply(pieces=PIECES)).astream(WHY, stream_mode=mode):
        kind, told = ("messages", part) if mode == "messages" else part
        if kind == "messages" and told[0].type == "AIMessageChunk":
            chunks.append(told[0].text)
    assert chunks == PIECES
