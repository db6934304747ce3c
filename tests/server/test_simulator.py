from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import jsonschema
import openai
import pytest
from langchain_core.messages import AIMessage
from pydantic import BaseModel

from moa_graph.errors import OptionsError
from moa_graph.models.simulation import SimulatedRequest, complete, profile_named
from moa_graph.server.simulator import RunningSimulator, running_simulator, serve
from tests.models.simulation_requests import instant
from tests.server.simulator_clients import (
    ANSWER,
    CHAT_MODELS,
    KEY,
    QUESTION,
    Ask,
    asked,
    asking,
    counts,
    post,
    sdk,
    until,
)


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSimulator]:
    profiles = [
        instant("priced", price={"input": 1, "output": 2}),
        instant("narrow", window=50),
        instant("unsure", skill={"any": 0.5}, correlation=0),
        instant("slow").model_copy(
            update={"latency": profile_named("x").latency.model_copy(update={"first_token": 60})}
        ),
    ]
    with running_simulator({profile.name: profile for profile in profiles}, KEY) as simulator:
        yield simulator


@pytest.fixture
def simulator(running: RunningSimulator) -> RunningSimulator:
    running.reset()
    return running


@pytest.fixture(params=CHAT_MODELS)
async def ask(request: pytest.FixtureRequest, simulator: RunningSimulator) -> AsyncIterator[Ask]:
    async with asking(simulator, request.param) as make:
        yield make


async def test_a_plain_request_gets_the_engine_s_answer_and_usage(simulator: RunningSimulator) -> None:
    body = asked("priced")
    answer = (await post(simulator, body)).json()
    expected = complete(simulator.app.profiles["priced"], SimulatedRequest.model_validate(body))
    assert answer["choices"][0]["message"]["content"] == expected.content
    assert answer["usage"] == {
        "prompt_tokens": expected.prompt_tokens,
        "completion_tokens": expected.completion_tokens,
        "total_tokens": expected.prompt_tokens + expected.completion_tokens,
    }
    count = await counts(simulator, "priced")
    assert count["cost"] == pytest.approx((expected.prompt_tokens + 2 * expected.completion_tokens) / 1e6)
    assert (count["requests"], count["completed"], count["statuses"]) == (1, 1, {"200": 1})


async def test_an_openai_client_gets_plain_and_streamed_answers_alike(simulator: RunningSimulator) -> None:
    async with sdk(simulator) as client:
        messages: Any = asked()["messages"]
        plain = await client.chat.completions.create(model="instant", messages=messages)
        stream = await client.chat.completions.create(
            model="instant", messages=messages, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        without_usage = [
            chunk
            async for chunk in await client.chat.completions.create(model="instant", messages=messages, stream=True)
        ]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == plain.choices[0].message.content
    assert text.endswith(ANSWER)
    assert chunks[-1].usage == plain.usage
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert all(chunk.usage is None and chunk.choices for chunk in without_usage)


async def test_chat_models_get_answers_usage_and_streams(simulator: RunningSimulator, ask: Ask) -> None:
    model = ask("instant", stream_usage=True)
    plain = await model.ainvoke(QUESTION)
    chunks = [chunk async for chunk in model.astream(QUESTION)]
    whole = sum(chunks[1:], start=chunks[0])
    assert isinstance(plain, AIMessage)
    assert plain.text == whole.text
    assert plain.text.endswith(ANSWER)
    assert plain.usage_metadata is not None
    assert whole.usage_metadata is not None
    assert plain.usage_metadata["output_tokens"] == whole.usage_metadata["output_tokens"]
    total = simulator.stats()["total"]
    assert total["completion_tokens"] == 2 * plain.usage_metadata["output_tokens"]
    assert total["prompt_tokens"] == 2 * plain.usage_metadata["input_tokens"]


class Sum(BaseModel):
    """A sum."""

    reasoning: str
    answer: int


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
async def test_chat_models_get_structured_output(ask: Ask, method: str) -> None:
    found = await ask("instant").with_structured_output(Sum, method=method).ainvoke(QUESTION)
    assert isinstance(found, Sum)
    assert found.answer == 411


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


async def test_chat_models_get_tool_calls_plain_and_streamed(ask: Ask) -> None:
    model = ask("instant").bind_tools([multiply])
    plain = await model.ainvoke("What is 17 times 24?")
    chunks = [chunk async for chunk in model.astream("What is 17 times 24?")]
    assert plain.tool_calls[0]["args"] == {"a": 17, "b": 24}
    assert sum(chunks[1:], start=chunks[0]).tool_calls == plain.tool_calls


async def test_the_same_requests_get_the_same_answers_in_any_order(simulator: RunningSimulator) -> None:
    bodies = [asked("unsure", f"What is {number} + 1?", seed=number) for number in range(20)]
    together = await asyncio.gather(*(post(simulator, body) for body in bodies))
    backwards = [await post(simulator, body) for body in reversed(bodies)]
    said = [answer.json()["choices"] for answer in together]
    assert said == [answer.json()["choices"] for answer in reversed(backwards)]


async def test_n_gives_different_samples_and_counts_the_prompt_once(simulator: RunningSimulator) -> None:
    one = (await post(simulator, asked("unsure"))).json()
    six = (await post(simulator, asked("unsure", n=6))).json()
    said = [choice["message"]["content"] for choice in six["choices"]]
    assert [choice["index"] for choice in six["choices"]] == list(range(6))
    assert said[0] == one["choices"][0]["message"]["content"]
    assert len(set(said)) > 1
    assert six["usage"]["prompt_tokens"] == one["usage"]["prompt_tokens"]


async def test_a_streamed_n_has_every_sample(simulator: RunningSimulator) -> None:
    plain = (await post(simulator, asked("unsure", n=3))).json()
    answer = await post(simulator, asked("unsure", n=3, stream=True))
    texts = ["", "", ""]
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line]
    assert lines[-1] == "[DONE]"
    for line in lines[:-1]:
        choice = json.loads(line)["choices"][0]
        texts[choice["index"]] += choice["delta"].get("content") or ""
    assert texts == [choice["message"]["content"] for choice in plain["choices"]]


async def test_a_json_schema_is_kept_over_the_wire(simulator: RunningSimulator) -> None:
    schema = {"type": "object", "properties": {"best": {"enum": ["A", "B"]}}, "required": ["best"]}
    response_format = {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": schema}}
    answer = (await post(simulator, asked(response_format=response_format))).json()
    jsonschema.validate(json.loads(answer["choices"][0]["message"]["content"]), schema)


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
async def test_both_names_of_the_token_limit_are_honoured(simulator: RunningSimulator, field: str) -> None:
    answer = (await post(simulator, asked(**{field: 2}))).json()
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 2


@pytest.mark.parametrize(
    ("body", "param", "said"),
    [
        (b"{", None, "We could not parse the JSON body of your request."),
        ({"model": "instant"}, "messages", "Missing required parameter: 'messages'."),
        (asked(temperature=3), "temperature", "Invalid value for 'temperature'"),
        (asked(n=0), "n", "Invalid value for 'n'"),
        (asked(logprobs=True), "logprobs", "You are not allowed to request logprobs from this model."),
        ({"model": "instant", "messages": []}, "messages", "Invalid value for 'messages'"),
        ({"model": "instant", "messages": [{"role": "boss"}]}, "messages.0.role", "Invalid value for"),
        (asked("narrow", "word " * 100), "messages", "This model's maximum context length is 50 tokens."),
    ],
)
async def test_bad_requests_are_refused_in_openai_s_form(
    simulator: RunningSimulator, body: Any, param: str | None, said: str
) -> None:
    answer = await post(simulator, body)
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert error["message"].startswith(said)
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert simulator.stats()["total"]["statuses"] == {"400": 1}


async def test_a_key_is_asked_for_and_never_repeated(simulator: RunningSimulator) -> None:
    without, wrong = await post(simulator, asked(), key=None), await post(simulator, asked(), key="sk-wrong-one")
    assert (without.status_code, wrong.status_code) == (401, 401)
    assert wrong.json()["error"]["code"] == "invalid_api_key"
    assert "sk-wrong-one" not in wrong.text
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{simulator.base_url}/models")).status_code == 401
    async with sdk(simulator) as client_with_key:
        names = [model.id async for model in client_with_key.models.list()]
    assert {"priced", "steady"} <= set(names)


async def test_a_strict_simulator_knows_only_its_profiles() -> None:
    with running_simulator({"known": instant("known")}, strict=True) as strict:
        async with sdk(strict) as client:
            assert [model.id async for model in client.models.list()] == ["known"]
            with pytest.raises(openai.NotFoundError, match="`steady` does not exist"):
                await client.chat.completions.create(model="steady", messages=[{"role": "user", "content": "Hi"}])
        assert (await post(strict, asked("known"))).status_code == 200


async def test_stats_health_and_reset_are_served(simulator: RunningSimulator) -> None:
    await post(simulator, asked("priced"))
    async with httpx.AsyncClient(base_url=simulator.url, trust_env=False) as client:
        assert (await client.get("/health")).json() == {"status": "ok"}
        served = (await client.get("/stats")).json()
        assert served["models"]["priced"]["requests"] == served["total"]["requests"] == 1
        assert len(served["models"]["priced"]["arrivals"]) == 1
        await client.post("/reset")
        assert (await client.get("/stats")).json()["models"] == {}
        assert (await client.get("/v1/nothing")).json()["error"]["message"] == "Invalid URL (GET /v1/nothing)"


@pytest.mark.parametrize("stream", [False, True])
async def test_requests_in_flight_are_counted_and_clients_that_leave_are_noticed(
    simulator: RunningSimulator, stream: bool
) -> None:
    leaving = [asyncio.create_task(post(simulator, asked("slow", stream=stream))) for _ in range(3)]
    await until(lambda: simulator.stats()["models"].get("slow", {}).get("in_flight") == 3)
    for client in leaving:
        client.cancel()
    await asyncio.wait(leaving)
    await until(lambda: simulator.stats()["models"]["slow"]["in_flight"] == 0)
    slow = simulator.stats()["models"]["slow"]
    assert (slow["peak_in_flight"], slow["aborted"], slow["completed"]) == (3, 3, 0)


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OptionsError, match=f"port {port}"):
            asyncio.run(serve(port))


async def test_serving_ends_when_it_is_cancelled_and_frees_its_port() -> None:
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(0, ready=url.set_result))
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{await url}/health")).status_code == 200
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    with socket.socket() as again:
        again.bind(("127.0.0.1", httpx.URL(await url).port or 0))


def test_a_simulator_stops_with_a_request_still_hanging() -> None:
    hanging = instant("hanging", faults=[{"kind": "hang"}])
    with running_simulator({"hanging": hanging}) as simulator:
        host, port = simulator.url.removeprefix("http://").split(":")
        connection = socket.create_connection((host, int(port)))
        body = json.dumps(asked("hanging")).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        asyncio.run(until(lambda: "hanging" in simulator.stats()["models"]))
    with connection:
        assert connection.recv(1) == b""
    assert simulator.stats()["models"]["hanging"]["in_flight"] == 0


def test_the_simulator_loads_no_provider_s_package() -> None:
    code = "import sys, moa_graph.server.simulator; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"openai", "langchain_openai", "langchain_together", "langgraph"} & set(ran.stdout.split())


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"type": "function", "function": {"name": {}}}]},
        {"tools": [{"type": "function", "function": {"name": "a"}}], "tool_choice": {"function": 5}},
        {
            "tools": [{"type": "function", "function": {"name": "a", "parameters": {"type": "object", "required": 7}}}],
            "tool_choice": "required",
        },
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object", "properties": 5}}}},
    ],
)
async def test_what_is_no_tool_or_schema_gets_400(simulator: RunningSimulator, fields: dict[str, Any]) -> None:
    assert (await post(simulator, asked(**fields))).status_code == 400
