"""The answer token by token in the protocol of ``stream_events(version="v3")``, which today's front ends read."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
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


@pytest.mark.parametrize("mode", ["messages", ["messages", "custom"]])
async def test_chunks_come_as_before_where_chunks_are_read(mode: Any) -> None:
    chunks = []
    async for part in writing(Reply(pieces=PIECES)).astream(WHY, stream_mode=mode):
        kind, told = ("messages", part) if mode == "messages" else part
        if kind == "messages" and told[0].type == "AIMessageChunk":
            chunks.append(told[0].text)
    assert chunks == PIECES
