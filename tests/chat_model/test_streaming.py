"""Tokens as the aggregator gives them, and an end to everything when nobody reads them any more."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk, HumanMessage
from langgraph.graph import START, MessagesState, StateGraph

from moa_graph import AnswerBeganAgain, ChatMoA
from moa_graph.models.simulation import Profile
from moa_graph.server.simulator import RunningSimulator, running_simulator
from tests.models_for_tests import Reply, calling, scripted
from tests.simulated_mixture import PROPOSERS, at_once, mixture_over_http

SUM = "What is 17 * 24 + 3?"
TOKENS_A_SECOND = 8

PIECES = ["One", " two", " three", " four"]


def slow_writer(**fields: Any) -> dict[str, Profile]:
    """Proposers that answer at once, and a writer that takes some seconds for its answer."""
    latency = {"first_token": 0.05, "sigma": 0, "tokens_a_second": TOKENS_A_SECOND, **fields}
    return {**at_once(PROPOSERS), "writer": Profile.model_validate({"name": "writer", "latency": latency})}


def writing(*replies: Any) -> ChatMoA:
    return ChatMoA(proposers=["sim:instant"], aggregator=scripted("writer", *replies))


def together(chunks: Sequence[Any]) -> AIMessageChunk:
    whole: AIMessageChunk = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole


@pytest.mark.virtual_clock
async def test_chunks_come_when_the_aggregator_gives_them() -> None:
    model = writing(Reply(pieces=PIECES, delay=3, between=2))
    now = asyncio.get_running_loop().time
    began = now()
    came = [(round(now() - began), chunk.text) async for chunk in model.astream("Count.") if chunk.text]
    assert came == list(zip([3, 5, 7, 9], PIECES, strict=True))


async def test_over_http_the_first_chunk_comes_long_before_the_last() -> None:
    with running_simulator(slow_writer()) as simulator:
        model = ChatMoA(mixture_over_http(simulator.base_url))
        came = [time.perf_counter() async for chunk in model.astream(SUM) if chunk.text]
        written = simulator.stats()["models"]["writer"]["completion_tokens"]
    assert len(came) > 5
    assert came[-1] - came[0] == pytest.approx(written / TOKENS_A_SECOND, rel=0.3)


async def test_usage_and_report_come_once_with_the_last_chunk() -> None:
    chunks = [chunk async for chunk in writing(Reply(pieces=PIECES)).astream("Count.")]
    assert [chunk.usage_metadata is not None for chunk in chunks] == [False] * len(PIECES) + [True]
    assert chunks[-1].chunk_position == "last"
    whole = together(chunks)
    assert whole.text == "One two three four"
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["output_tokens"] == whole.response_metadata["report"]["usage"]["output"]
    assert len({chunk.id for chunk in chunks}) == 1


async def test_what_streams_is_what_invoke_gives() -> None:
    model = ChatMoA(proposers=["sim:instant", "sim:instant"], aggregator="sim:instant")
    assert together([chunk async for chunk in model.astream(SUM)]).text == (await model.ainvoke(SUM)).text
    assert together(list(model.stream(SUM))).text == model.invoke(SUM).text


def multiply(a: int, b: int) -> int:
    """Multiplies two numbers."""
    return a * b


@pytest.mark.parametrize("streams", [True, False], ids=["streaming aggregator", "whole messages"])
async def test_tool_call_chunks_merge(streams: bool) -> None:
    aggregator = "sim:instant" if streams else scripted("w", calling("multiply", a=17, b=24), disable_streaming=True)
    model = ChatMoA(proposers=["sim:instant"], aggregator=aggregator).bind_tools([multiply])
    whole = together([chunk async for chunk in model.astream("What is 17 * 24?")])
    assert [(call["name"], call["args"]) for call in whole.tool_calls] == [("multiply", {"a": 17, "b": 24})]
    assert whole.response_metadata["finish_reason"] == "tool_calls"
    assert whole.response_metadata["advice"]["kept"]


async def test_tool_calls_stream_over_http() -> None:
    with running_simulator(at_once()) as simulator:
        model = ChatMoA(mixture_over_http(simulator.base_url)).bind_tools([multiply])
        whole = together([chunk async for chunk in model.astream("What is 17 * 24?")])
    assert [call["args"] for call in whole.tool_calls] == [{"a": 17, "b": 24}]


async def test_an_answer_that_begins_anew_is_an_error() -> None:
    model = writing(Reply(pieces=["Half an"], error=ConnectionResetError("reset by peer")), "A whole answer.")
    chunks = model.astream("Count.")
    assert (await anext(chunks)).text == "Half an"
    with pytest.raises(AnswerBeganAgain, match="reset by peer"):
        await anext(chunks)
    assert (await model.ainvoke("Count.")).text == "A whole answer."


async def test_a_retry_before_the_first_token_is_silent() -> None:
    model = writing(Reply(error=ConnectionResetError("reset by peer")), Reply(pieces=PIECES))
    assert together([chunk async for chunk in model.astream("Count.")]).text == "One two three four"


async def test_in_a_node_the_tokens_are_shown_once() -> None:
    model = writing(Reply(pieces=PIECES))

    async def call(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph[Any, Any, Any, Any](MessagesState).add_node("call", call).add_edge(START, "call").compile()
    question: Any = {"messages": [HumanMessage("Count.")]}
    streaming: Any = graph.astream(question, stream_mode="messages")
    shown = [chunk.text async for chunk, _ in streaming]
    assert [text for text in shown if text] == PIECES


async def test_events_are_those_of_one_model() -> None:
    events = [event async for event in writing(Reply(pieces=PIECES)).astream_events("Count.", version="v2")]
    assert [event["event"] for event in events if event["event"].endswith(("start", "end"))] == [
        "on_chat_model_start",
        "on_chat_model_end",
    ]
    streamed = [event["data"]["chunk"].text for event in events if event["event"] == "on_chat_model_stream"]
    assert [text for text in streamed if text] == PIECES


@pytest.fixture
def hanging() -> Iterator[RunningSimulator]:
    """Proposers that hang."""
    faults = [{"kind": "hang"}]
    profiles = {name: Profile.model_validate({"name": name, "faults": faults}) for name in PROPOSERS}
    with running_simulator(profiles) as simulator:
        yield simulator


def eventually(condition: Callable[[], bool], within: float = 1.0) -> bool:
    end = time.monotonic() + within
    pause = threading.Event()
    while not condition() and time.monotonic() < end:
        pause.wait(0.01)
    return condition()


def in_flight(simulator: RunningSimulator) -> int:
    return int(simulator.stats()["total"]["in_flight"])


async def first_chunk(chunks: AsyncIterator[AIMessageChunk]) -> AIMessageChunk:
    return await anext(chunks)


@pytest.mark.parametrize("way", ["ainvoke", "astream"])
async def test_cancelling_while_proposers_work_closes_their_connections(hanging: RunningSimulator, way: str) -> None:
    model = ChatMoA(mixture_over_http(hanging.base_url))
    asking = asyncio.create_task(model.ainvoke(SUM) if way == "ainvoke" else first_chunk(model.astream(SUM)))
    assert await asyncio.to_thread(eventually, lambda: in_flight(hanging) == 2, 10)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await asyncio.to_thread(eventually, lambda: in_flight(hanging) == 0)
    assert hanging.stats()["total"]["aborted"] == 2


async def test_leaving_a_stream_closes_the_aggregators_connection() -> None:
    with running_simulator(slow_writer(tokens_a_second=2)) as simulator:
        model = ChatMoA(mixture_over_http(simulator.base_url))
        async with aclosing(model.astream(SUM)) as chunks:  # type: ignore[type-var]
            async for _ in chunks:
                break
        assert await asyncio.to_thread(eventually, lambda: in_flight(simulator) == 0)
        assert simulator.stats()["models"]["writer"]["aborted"] == 1


def test_leaving_a_synchronous_stream_closes_it_too() -> None:
    with running_simulator(slow_writer(tokens_a_second=2)) as simulator:
        chunks: Any = ChatMoA(mixture_over_http(simulator.base_url)).stream(SUM)
        next(chunks)
        chunks.close()
        assert eventually(lambda: in_flight(simulator) == 0)
        assert simulator.stats()["models"]["writer"]["aborted"] == 1
