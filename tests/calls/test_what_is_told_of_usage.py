"""What isn't told is estimated and never zero; what is told is held within what was possible."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from moa_graph import create_moa
from moa_graph.calls.failures import classify, usage_of
from moa_graph.store import open_store
from tests.loopback import Reply as HttpReply
from tests.loopback import completion, loopback
from tests.models_for_tests import Reply, ScriptedModel, provider_error, scripted

QUESTION: Any = {"messages": [("user", "a question of some length " * 20)]}
PRICE = {"input": 1.0, "output": 10.0}


def mixture(proposer: ScriptedModel, budget: dict[str, Any] | None = None, **slot: Any) -> Any:
    models = {
        "a": {"model": proposer, "price": PRICE, "max_tokens": 500},
        "w": {"model": scripted("w", Reply(usage=(100, 50))), "price": PRICE, "max_tokens": 500},
    }
    stages = [{"propose": {"slots": [{"model": "a", "tries": 1, **slot}, "w"]}}, {"aggregate": {"slot": "w"}}]
    return create_moa({"models": models, "stages": stages, "budget": budget}).compile()


@pytest.mark.virtual_clock
@pytest.mark.parametrize(
    "reply",
    [
        Reply("", usage=None),
        Reply("<think>" + "reasons " * 100 + "</think>", usage=None),
        Reply("no", usage=None, finish_reason="content_filter"),
        Reply(error=ValueError("Expecting value: line 1 column 1")),
        Reply("an answer", usage=None),
        Reply("an answer", usage=(-5_000, -9_000)),
        Reply("", usage=(0, 0)),
    ],
)
async def test_a_paid_answer_without_a_count_is_estimated(reply: Reply) -> None:
    with_budget = {"tokens": 20_000}
    for budget in (None, with_budget):
        state = await mixture(scripted("a", reply), budget).ainvoke(QUESTION)
        report = state["report"]
        assert report["estimated"] is True
        assert report["usage"]["input"] > 200
        assert report["cost"] > 2 * (100 * 1.0 + 50 * 10.0) / 1e6


@pytest.mark.virtual_clock
@pytest.mark.parametrize("error", [provider_error(500), provider_error(400), provider_error(429)])
async def test_what_a_provider_turned_away_costs_nothing(error: Exception) -> None:
    report = (await mixture(scripted("a", Reply(error=error))).ainvoke(QUESTION))["report"]
    assert (report["usage"], report["estimated"]) == ({"input": 200, "output": 100, "cached": 0}, False)


@pytest.mark.virtual_clock
async def test_failures_that_are_paid_for_use_up_the_budget() -> None:
    broken = scripted("a", Reply(error=ValueError("Expecting value: line 1 column 1")))
    budget = {"tokens": 9_000}
    state = await mixture(broken, budget, samples=1, tries=9).ainvoke(QUESTION)
    most_of_one_call = len(QUESTION["messages"][0][1]) + 16 + 500
    assert len(broken.journal.asked) * most_of_one_call <= 9_000
    assert state["report"]["estimated"] is True


@pytest.mark.virtual_clock
@pytest.mark.parametrize("usage", [(-100_000, 5), (10**12, 10**12), (5, 10**9)])
async def test_no_count_makes_a_budget_larger_or_the_costs_absurd(usage: tuple[int, int]) -> None:
    state = await mixture(scripted("a", Reply("fine", usage=usage)), {"usd": 0.05}).ainvoke(QUESTION)
    report = state["report"]
    assert 0 < report["cost"] < 0.05
    assert report["estimated"] is True
    assert report["degraded"] == []


@pytest.mark.parametrize(
    "usage",
    [
        {"input_tokens": "5", "output_tokens": 2, "total_tokens": 7},
        {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7, "input_token_details": None},
        {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7, "input_token_details": {"cache_read": "all"}},
        {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7, "input_token_details": {"cache_read": -3}},
    ],
)
def test_what_is_readable_of_a_usage_is_read(usage: Any) -> None:
    message = AIMessage("x")
    message.usage_metadata = usage
    assert usage_of(message) == {"input": 5, "output": 2, "cached": 0}


@pytest.mark.parametrize("usage", ["many", [], {"input_tokens": float("nan"), "output_tokens": 1}, {"a": 1}, 7])
def test_junk_is_no_usage(usage: Any) -> None:
    message = AIMessage("x")
    message.usage_metadata = usage
    assert usage_of(message) is None


@pytest.mark.virtual_clock
async def test_a_shared_call_is_counted_by_who_takes_it_over() -> None:
    model = scripted("a", Reply("shared", delay=5, usage=(1_000, 100)))
    settings = {"model": model, "price": PRICE, "max_tokens": 500}
    async with open_store(":memory:") as store:
        graph = create_moa({"models": {"a": settings}, "stages": [{"aggregate": {"slot": "a"}}]}, store=store).compile()
        starter = asyncio.create_task(graph.ainvoke(QUESTION))
        await asyncio.sleep(1)
        taker = asyncio.create_task(graph.ainvoke(QUESTION))
        another = asyncio.create_task(graph.ainvoke(QUESTION))
        await asyncio.sleep(1)
        starter.cancel()
        reports = [(await one)["report"] for one in (taker, another)]
    assert len(model.journal.asked) == 1
    assert sorted(report["cost"] for report in reports) == [0, pytest.approx(0.002)]
    assert sorted(report["calls"] for report in reports) == [0, 1]


async def over_http(body: Any) -> dict[str, Any]:
    """A run whose one model answers with this body, and the number of its requests."""
    whole = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with loopback(lambda _: HttpReply(body=whole)) as server:
        settings = {"model": "openai:gpt-4o", "base_url": server.url, "price": PRICE, "max_tokens": 500}
        description = {"models": {"a": settings}, "stages": [{"aggregate": {"slot": {"model": "a", "timeout": 20}}}]}
        state = await create_moa(description).compile().ainvoke({"messages": [("user", "hello")]})
        return {"requests": len(server.asked), "text": state["messages"][-1].text, "report": state["report"]}


def body_with(**changes: Any) -> dict[str, Any]:
    return {**json.loads(completion("a good text").body), **changes}


def test_the_simplest_answer_is_what_the_cases_below_change() -> None:
    assert body_with()["choices"][0]["message"]["content"] == "a good text"


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": "12", "completion_tokens": "7", "total_tokens": "19"},
        {"prompt_tokens": 12, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": "all"}},
        {"prompt_tokens": 12, "completion_tokens": 7, "prompt_tokens_details": "none"},
        {"prompt_tokens": None, "completion_tokens": {"a": 1}},
        {"prompt_tokens": [1], "completion_tokens": 7},
        "many",
        7,
        [],
        {"prompt_tokens": -12, "completion_tokens": -7, "total_tokens": -19},
    ],
)
async def test_junk_in_the_usage_costs_no_answer(monkeypatch: pytest.MonkeyPatch, usage: Any) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    came = await over_http(body_with(usage=usage))
    assert (came["requests"], came["text"]) == (1, "a good text")
    assert came["report"]["cost"] > 0


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user"},
        {"role": None},
        {"role": "tool"},
        {"tool_calls": [{"id": "1", "type": "function", "function": {"name": "nobody", "arguments": "{broken"}}]},
        {"tool_calls": [{"id": "1", "function": None}]},
        {"tool_calls": "none"},
        {"function_call": "none"},
        {"name": 5, "id": []},
        {"content": [{"type": "text", "text": "a good text"}]},
        {"refusal": None, "audio": None},
    ],
)
async def test_a_good_text_beside_junk_is_the_answer(monkeypatch: pytest.MonkeyPatch, message: Any) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    body = body_with()
    body["choices"][0]["message"] |= message
    came = await over_http(body)
    assert (came["requests"], came["text"]) == (1, "a good text")


async def test_garbled_http_is_a_broken_connection_and_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    asked = 0

    async def garble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 2OO \x00\xff\r\nContent-Length: x\r\n\r\n{}")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(garble, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        slot = {"model": "a", "timeout": 20, "tries": 2, "fallbacks": [scripted("b")]}
        description = {
            "models": {"a": {"model": "openai:gpt-4o", "base_url": url}},
            "stages": [{"aggregate": {"slot": slot}}],
        }
        state = await create_moa(description).compile().ainvoke({"messages": [("user", "hello")]})
    assert asked == 2
    note = state["records"][0]["notes"][0]
    assert "(connection)" in note
    assert "400" not in note


def test_an_error_of_bytes_has_no_status_even_where_it_was_wrapped() -> None:
    http = pytest.importorskip("aiohttp.http_exceptions")
    client = pytest.importorskip("aiohttp")
    wrapped = client.ClientResponseError(None, (), status=400, message="Bad status line")
    wrapped.__cause__ = http.BadStatusLine("2OO")
    diagnosis = classify(wrapped)
    assert (diagnosis.kind, diagnosis.retryable) == ("connection", True)
