"""Calls of OpenAI's protocol take the direct way over a real socket, and the SDK's where somebody would miss them."""

from __future__ import annotations

import functools
import logging
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from langchain_core.messages import HumanMessage

from moa_graph import create_moa
from moa_graph.description import ModelSettings
from moa_graph.models import direct
from moa_graph.models.build import build
from moa_graph.models.clients import of_running_loop
from moa_graph.models.streamed import StreamedAnswer
from moa_graph.server.simulator import RunningSimulator, running_simulator

QUESTION: Any = {"messages": [("user", "What is 17 * 24 + 3?")]}
ASKED = [HumanMessage("What is 17 * 24 + 3?")]


@pytest.fixture
async def simulator() -> AsyncIterator[RunningSimulator]:
    with running_simulator({}) as running:
        yield running
        await of_running_loop().close()


@pytest.fixture
def by_the_sdk(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that the SDK was asked for."""
    asked: list[str] = []
    original = direct._remember

    def remembering(client: Any, sent: Any) -> None:
        asked.extend(str(one.request.url.path) for one in sent)
        original(client, sent)

    monkeypatch.setattr(direct, "_remember", remembering)
    return asked


def model_at(simulator: RunningSimulator, name: str = "steady", **settings: Any) -> Any:
    described = ModelSettings(model=f"openai:{name}", base_url=simulator.base_url, **settings)
    return build(described, of_running_loop(), streaming=True).model


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")


async def test_only_the_first_request_takes_the_sdks_way(simulator: RunningSimulator, by_the_sdk: list[str]) -> None:
    model = model_at(simulator)
    answers = [await model._agenerate(ASKED) for _ in range(3)]
    assert len({answer.generations[0].text for answer in answers}) == 1
    assert by_the_sdk == ["/v1/chat/completions"]
    assert simulator.stats()["total"]["requests"] == 3


async def test_an_error_is_the_sdks_own_on_both_ways(simulator: RunningSimulator) -> None:
    model = model_at(simulator, window=None)
    await model._agenerate(ASKED)
    with pytest.raises(openai.BadRequestError) as direct_error:
        await model._agenerate(ASKED, temperature="hot")
    with pytest.raises(openai.BadRequestError) as sdks_error:
        await model_at(simulator)._agenerate(ASKED, temperature="hot")
    assert str(direct_error.value) == str(sdks_error.value)
    assert direct_error.value.body == sdks_error.value.body


async def test_a_server_that_is_gone_is_a_connection_error(simulator: RunningSimulator) -> None:
    model = model_at(simulator)
    await model._agenerate(ASKED)
    direct._ways[model.root_async_client]._url = direct._ways[model.root_async_client]._url.with_port(1)  # type: ignore[union-attr]
    with pytest.raises(openai.APIConnectionError):
        await model._agenerate(ASKED)


@pytest.mark.parametrize("logger", ["openai", "httpx2"])
async def test_calls_that_are_logged_take_the_sdks_way(
    simulator: RunningSimulator, by_the_sdk: list[str], caplog: pytest.LogCaptureFixture, logger: str
) -> None:
    model = model_at(simulator)
    with caplog.at_level(logging.DEBUG, logger):
        for _ in range(2):
            await model._agenerate(ASKED)
    assert len(by_the_sdk) == 2


async def test_a_method_that_somebody_has_wrapped_sees_every_call(
    simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, seen = model_at(simulator), []
    await model._agenerate(ASKED)
    original = openai.AsyncOpenAI.request

    @functools.wraps(original)
    async def instrumented(*arguments: Any, **settings: Any) -> Any:
        seen.append(1)
        return await original(*arguments, **settings)

    monkeypatch.setattr(openai.AsyncOpenAI, "request", instrumented)
    await model._agenerate(ASKED)
    assert seen == [1]


async def test_a_hook_of_the_http_client_sees_every_call(simulator: RunningSimulator, by_the_sdk: list[str]) -> None:
    model, seen = model_at(simulator), []
    await model._agenerate(ASKED)

    async def hook(request: Any) -> None:
        seen.append(request)

    model.root_async_client._client.event_hooks = {"request": [hook], "response": []}
    await model._agenerate(ASKED)
    assert len(seen) == 1


async def test_a_streamed_answer_is_the_whole_one(simulator: RunningSimulator, by_the_sdk: list[str]) -> None:
    described = {"model": "openai:steady", "base_url": simulator.base_url}
    graph = create_moa({"name": "s", "models": {"m": described}, "stages": [{"aggregate": {"slot": "m"}}]}).compile()
    whole = (await graph.ainvoke(QUESTION))["messages"][-1]
    for _ in range(2):
        pieces: list[Any] = []
        state: Any = {}
        stream: Any = graph.astream(QUESTION, stream_mode=["messages", "values"])
        async for mode, part in stream:
            if mode == "messages":
                pieces.append(part[0])
            else:
                state = part
        assert "".join(piece.text for piece in pieces) == state["messages"][-1].text == whole.text
        assert {piece.id for piece in pieces} == {state["messages"][-1].id}
        assert state["report"]["usage"] == (await graph.ainvoke(QUESTION))["report"]["usage"]
    assert len(by_the_sdk) <= 2  # one client streams, the other doesn't


def test_pieces_of_tool_calls_and_reasoning_become_whole() -> None:
    answer = StreamedAnswer()
    deltas: list[dict[str, Any]] = [
        {"role": "assistant", "content": ""},
        {"reasoning_content": "Let me "},
        {"reasoning_content": "look."},
        {"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "search", "arguments": '{"q"'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ': "x"}'}}]},
        {"tool_calls": [{"index": 1, "id": "c2", "function": {"name": "add", "arguments": "{}"}}]},
    ]
    told = [answer.take_in([{"model": "m", "choices": [{"index": 0, "delta": delta}]}]) for delta in deltas]
    answer.take_in([{"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}])
    answer.take_in([{"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}])
    assert [thought for _, _, thought in told if thought] == ["Let me ", "look."]
    whole = answer.whole()
    message = whole["choices"][0]["message"]
    assert message["reasoning_content"] == "Let me look."
    assert [call["function"] for call in message["tool_calls"]] == [
        {"name": "search", "arguments": '{"q": "x"}'},
        {"name": "add", "arguments": "{}"},
    ]
    assert (whole["choices"][0]["finish_reason"], whole["usage"]["total_tokens"], whole["model"]) == (
        "tool_calls",
        5,
        "m",
    )
    assert [len(calls) for _, calls, _ in told] == [0, 0, 0, 1, 1, 1]
