from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import httpx2
import openai
import pytest

from moa_graph.server.simulator import RunningSimulator, running_simulator
from tests.server.simulator_clients import (
    ANSWER,
    CHAT_MODELS,
    QUESTION,
    Ask,
    asked,
    asking,
    counts,
    post,
    profiles,
    sdk,
)

FAULTS: dict[str, dict[str, Any]] = {
    "reset": {"kind": "reset"},
    "hang": {"kind": "hang"},
    "broken": {"kind": "broken_stream"},
    "broken-once": {"kind": "broken_stream", "first": 1},
    "empty": {"kind": "empty"},
    "malformed": {"kind": "malformed"},
    "refusal": {"kind": "refusal"},
    "length": {"kind": "length"},
    "no-temperature": {"kind": "unsupported_parameter", "param": "temperature"},
    "busy-once": {"kind": "status", "status": 429, "retry_after": 0.2, "first": 1},
    "worded": {"kind": "status", "status": 400, "message": "No.", "code": "no", "param": "messages"},
    **{f"status-{status}": {"kind": "status", "status": status} for status in (400, 401, 403, 404, 422, 429, 500, 503)},
}


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSimulator]:
    with running_simulator(profiles(**FAULTS)) as simulator:
        yield simulator


@pytest.fixture
def simulator(running: RunningSimulator) -> RunningSimulator:
    running.reset()
    return running


@pytest.fixture(params=CHAT_MODELS)
async def ask(request: pytest.FixtureRequest, simulator: RunningSimulator) -> AsyncIterator[Ask]:
    async with asking(simulator, request.param) as make:
        yield make


ERRORS = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    503: openai.InternalServerError,
}


@pytest.mark.parametrize("status", ERRORS)
async def test_a_status_reaches_the_chat_models_as_their_sdk_s_error(
    ask: Ask, simulator: RunningSimulator, status: int
) -> None:
    model = f"status-{status}"
    with pytest.raises(ERRORS[status]) as struck:
        await ask(model).ainvoke(QUESTION)
    assert struck.value.status_code == status
    count = await counts(simulator, model)
    assert (count["requests"], count["completed"], count["statuses"]) == (1, 0, {str(status): 1})
    assert (count["prompt_tokens"], count["cost"]) == (0, 0)


async def test_a_status_fault_carries_retry_after_and_passes(ask: Ask, simulator: RunningSimulator) -> None:
    with pytest.raises(openai.RateLimitError) as struck:
        await ask("busy-once").ainvoke(QUESTION)
    assert struck.value.response.headers["retry-after"] == "0.2"
    assert struck.value.code == "rate_limit_exceeded"
    assert (await ask("busy-once").ainvoke(QUESTION)).text.endswith(ANSWER)
    assert (await counts(simulator, "busy-once"))["statuses"] == {"200": 1, "429": 1}


async def test_the_gap_between_a_client_s_tries_is_told_by_the_arrivals(simulator: RunningSimulator) -> None:
    async with sdk(simulator, max_retries=1) as client:
        messages: Any = asked()["messages"]
        await client.chat.completions.create(model="busy-once", messages=messages)
    first, second = (await counts(simulator, "busy-once"))["arrivals"]
    assert second - first >= 0.2


async def test_words_and_codes_of_a_fault_are_its_profile_s(simulator: RunningSimulator) -> None:
    error = (await post(simulator, asked("worded"))).json()["error"]
    assert error == {"message": "No.", "type": "invalid_request_error", "param": "messages", "code": "no"}


async def test_a_reset_comes_before_any_byte(ask: Ask, simulator: RunningSimulator) -> None:
    with pytest.raises(openai.APIConnectionError):
        await ask("reset").ainvoke(QUESTION)
    with pytest.raises(httpx.ReadError):
        await post(simulator, asked("reset"))
    count = await counts(simulator, "reset")
    assert (count["requests"], count["statuses"], count["aborted"]) == (2, {}, 0)


async def test_a_reset_is_a_tcp_reset(simulator: RunningSimulator) -> None:
    url = httpx.URL(simulator.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    body = json.dumps(asked("reset")).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    with contextlib.suppress(ConnectionResetError):
        await writer.wait_closed()


async def test_a_hang_lasts_until_the_client_gives_up_and_is_then_noticed(
    ask: Ask, simulator: RunningSimulator
) -> None:
    with pytest.raises(openai.APITimeoutError):
        await ask("hang", timeout=0.2).ainvoke(QUESTION)
    count = await counts(simulator, "hang")
    assert (count["requests"], count["aborted"], count["statuses"]) == (1, 1, {})


async def test_a_stream_stops_in_the_middle(ask: Ask, simulator: RunningSimulator) -> None:
    heard: list[str] = []

    async def listen() -> None:
        async for chunk in ask("broken").astream(QUESTION):
            heard.append(chunk.text)  # noqa: PERF401

    with pytest.raises((openai.APIError, httpx2.HTTPError)):
        await listen()
    assert "".join(heard)
    assert ANSWER not in "".join(heard)
    count = await counts(simulator, "broken")
    assert (count["completed"], count["aborted"], count["completion_tokens"]) == (0, 0, 0)
    assert 0 < count["cut_completion_tokens"] <= len("".join(heard))
    assert count["cost"] > 0


async def test_a_plain_answer_stops_in_the_middle_of_its_body(ask: Ask, simulator: RunningSimulator) -> None:
    with pytest.raises(openai.APIConnectionError):
        await ask("broken").ainvoke(QUESTION)
    assert (await counts(simulator, "broken"))["cut_prompt_tokens"] > 0


async def test_a_stream_that_broke_once_is_whole_the_second_time(ask: Ask) -> None:
    model = ask("broken-once")
    with pytest.raises((openai.APIError, httpx2.HTTPError)):
        [chunk async for chunk in model.astream(QUESTION)]
    assert "".join([chunk.text async for chunk in model.astream(QUESTION)]).endswith(ANSWER)


async def test_a_malformed_body_cannot_be_decoded(ask: Ask, simulator: RunningSimulator) -> None:
    with pytest.raises(json.JSONDecodeError):
        await ask("malformed").ainvoke(QUESTION)
    count = await counts(simulator, "malformed")
    assert (count["requests"], count["completed"], count["statuses"]) == (1, 0, {"200": 1})


async def test_an_empty_answer_is_empty(ask: Ask) -> None:
    answer = await ask("empty").ainvoke(QUESTION)
    assert answer.text == ""
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] == 0


async def test_a_refusal_is_told_in_its_own_field(ask: Ask) -> None:
    answer = await ask("refusal").ainvoke(QUESTION)
    assert answer.text == ""
    assert answer.additional_kwargs["refusal"]


async def test_a_cut_answer_says_that_it_was_cut(ask: Ask) -> None:
    answer = await ask("length").ainvoke(QUESTION)
    assert answer.response_metadata["finish_reason"] == "length"
    assert answer.text
    assert ANSWER not in answer.text


async def test_a_parameter_is_refused_by_name(ask: Ask) -> None:
    assert (await ask("no-temperature").ainvoke(QUESTION)).text.endswith(ANSWER)
    with pytest.raises(openai.BadRequestError, match="Unsupported parameter: 'temperature'") as struck:
        await ask("no-temperature", temperature=0.5).ainvoke(QUESTION)
    assert (struck.value.code, struck.value.param) == ("unsupported_parameter", "temperature")
