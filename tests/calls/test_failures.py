"""What errors and answers mean, as the real SDKs raise and give them over a real socket."""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from email.utils import formatdate
from typing import Any

import aiohttp
import httpx
import pytest
from langchain_core.exceptions import (
    ContextOverflowError,
    ModelAuthenticationError,
    ModelRateLimitError,
    ModelTimeoutError,
)
from langchain_core.messages import AIMessage, AIMessageChunk

from moa_graph.calls.failures import LONGEST_MESSAGE, Diagnosis, classify, is_truncated, judge, usage_of
from moa_graph.description import ModelSettings
from moa_graph.models.build import build
from moa_graph.models.clients import of_running_loop
from tests.loopback import Reply, completion, loopback, streamed

SDKS = pytest.mark.parametrize("sdk", ["openai", "together"])

CHUNK: dict[str, Any] = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "any"}
BEGINNING = {**CHUNK, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "fo"}}]}


def error(status: int, message: str = "words of the provider", **fields: Any) -> Reply:
    headers = fields.pop("headers", {})
    body = {"error": {"message": message, **fields}}
    return Reply(status, json.dumps(body).encode(), headers)


async def asked(sdk: str, reply: Reply | None, *, streaming: bool = False) -> AIMessage:
    async with loopback(lambda _: reply) as server:
        settings = ModelSettings(model=f"{sdk}:any", base_url=server.url)
        model = build(settings, of_running_loop(), streaming=streaming).model
        try:
            if not streaming:
                return await model.ainvoke("What is 2+2?")
            whole: AIMessage | None = None
            async for chunk in model.astream("What is 2+2?"):
                whole = chunk if whole is None else whole + chunk  # type: ignore[assignment]
            assert whole is not None
            return whole
        finally:
            assert len(server.asked) == 1


async def diagnosis(sdk: str, reply: Reply | None, *, streaming: bool = False) -> Diagnosis:
    try:
        answer = await asked(sdk, reply, streaming=streaming)
    except Exception as failed:
        return classify(failed)
    raise AssertionError(f"it was answered: {answer}")


@SDKS
@pytest.mark.parametrize(
    ("reply", "kind", "retryable"),
    [
        (error(400), "bad_request", False),
        (error(401), "auth", False),
        (error(402), "rate_limited", False),
        (error(403), "auth", False),
        (error(404), "not_served", False),
        (error(410), "not_served", False),
        (error(408), "timeout", True),
        (error(409), "server", True),
        (error(413), "context_overflow", False),
        (error(422), "bad_request", False),
        (error(429), "rate_limited", True),
        (error(429, code="insufficient_quota"), "rate_limited", False),
        (error(500), "server", True),
        (error(503), "server", True),
        (error(529), "server", True),
        (error(403, "Your input was flagged"), "refused", False),
        (error(400, code="content_filter"), "refused", False),
        (error(200, code=502), "server", True),
        (error(200, code="rate_limit_exceeded"), "rate_limited", True),
        (Reply(502, b"<html>Bad gateway</html>", {"content-type": "text/html"}), "server", True),
        (Reply(body=b"{not json"), "server", True),
        (Reply(body=b""), "server", True),
        (Reply(body=b"[]"), "server", True),
        (Reply(body=b'{"choices": null}'), "server", True),
        (Reply(body=b'{"choices": []}'), "server", True),
        (Reply(body=b"<html>Welcome</html>", headers={"content-type": "text/html"}), "server", True),
        (Reply(body=b'{"choices":', broken=True), "connection", True),
        (None, "connection", True),
    ],
    ids=lambda value: f"{value.status} {value.body[:40].decode()}" if isinstance(value, Reply) else None,
)
async def test_every_reply_that_is_no_answer_has_a_kind(
    sdk: str, reply: Reply | None, kind: str, retryable: bool
) -> None:
    found = await diagnosis(sdk, reply)
    assert (found.kind, found.retryable) == (kind, retryable)
    if reply is not None and b"words of the provider" in reply.body:
        assert "words of the provider" in found.message


@SDKS
@pytest.mark.parametrize(
    ("events", "broken", "kind", "retryable"),
    [
        ([BEGINNING], True, "connection", True),
        ([BEGINNING, {"error": {"message": "overloaded", "type": "server_error"}}], False, "server", True),
        ([{"error": {"message": "slow down", "code": 429}}], False, "rate_limited", True),
        ([], False, "empty", False),
    ],
)
async def test_every_stream_that_ends_badly_has_a_kind(
    sdk: str, events: list[dict[str, Any]], broken: bool, kind: str, retryable: bool
) -> None:
    found = await diagnosis(sdk, streamed(*events, broken=broken), streaming=True)
    assert (found.kind, found.retryable) == (kind, retryable)


async def test_nobody_listening_is_a_connection_failure_with_its_reason() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings = ModelSettings(model="openai:any", base_url=f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
        with pytest.raises(Exception, match="Connection error") as refused:
            await build(settings, of_running_loop(), streaming=False).model.ainvoke("What is 2+2?")
    found = classify(refused.value)
    assert (found.kind, found.retryable) == ("connection", True)
    # in aiohttp's or httpx2's words, or those of httpx under older SDKs
    assert re.search("connect call failed|all connection attempts failed", found.message.lower())


async def test_where_nothing_is_found_that_may_be_the_address() -> None:
    found = await diagnosis("openai", error(404, "Not Found"))
    assert found.kind == "not_served"
    assert "check it: most end in /v1" in found.message


async def test_a_model_that_is_gone_names_the_way_to_replace_it() -> None:
    found = await diagnosis("together", error(404, "Unable to access model any."))
    assert found.message.startswith("HTTP 404: Unable to access model any. If this model is no longer served, name ")
    assert all(way in found.message for way in ("substitute={old: new}", "--substitute", "--cast auto", "moa models"))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": formatdate(time.time() - 60, usegmt=True)}, 0.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
    ],
)
async def test_the_wait_that_a_provider_asks_for_is_read(headers: dict[str, str], expected: float | None) -> None:
    assert (await diagnosis("openai", error(429, headers=headers))).retry_after == expected


async def test_a_wait_until_a_date_is_counted_from_now() -> None:
    headers = {"retry-after": formatdate(time.time() + 100, usegmt=True)}
    found = await diagnosis("openai", error(503, headers=headers))
    assert found.retry_after == pytest.approx(100, abs=5)


@pytest.mark.parametrize(
    ("message", "fields", "parameter"),
    [
        (
            "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value "
            "is supported.",
            {"param": "temperature", "code": "unsupported_value"},
            "temperature",
        ),
        (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' "
            "instead.",
            {"param": "max_tokens", "code": "unsupported_parameter"},
            "max_tokens",
        ),
        ("Unsupported parameter: 'stop' is not supported with this model.", {"param": "stop"}, "stop"),
        ("`temperature` and `top_p` cannot both be specified for this model.", {}, "top_p"),
        ("`temperature` is deprecated for this model.", {}, "temperature"),
        ("seed: Extra inputs are not permitted", {}, "seed"),
        ('Unknown name "stopSequences": Cannot find field.', {}, "stop"),
        ("max_tokens is too large: 90000. This model supports at most 16384.", {"param": "max_tokens"}, None),
        ("Unsupported value: messages[0].role does not support 'system'.", {"param": "messages"}, None),
        ("Unsupported: 'logprobs' with 'temperature' above 1.", {"param": "logprobs"}, None),
    ],
)
async def test_the_parameter_that_a_model_refuses_is_named(
    message: str, fields: dict[str, str], parameter: str | None
) -> None:
    found = await diagnosis("openai", error(400, message, **fields))
    assert (found.kind, found.refused_parameter) == ("bad_request", parameter)


@pytest.mark.parametrize(
    ("message", "limit"),
    [
        ("This model's maximum context length is 8192 tokens. However, you requested 9000 tokens.", 8192),
        ("This model's maximum context length is 128,000 tokens.", 128_000),
        ("prompt is too long: 208310 tokens > 200000 maximum", 200_000),
        ("input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000, decrease it", 200_000),
        ("The input token count (314175) exceeds the maximum number of tokens allowed (131072).", 131_072),
        ("length of prompt_tokens (163280) must be less than max_seq_len (32768).", 32_768),
        ("`inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000 `inputs` tokens", 8193),
        ("the request exceeds the available context window", None),
    ],
)
async def test_a_prompt_that_is_too_long_tells_the_window(message: str, limit: int | None) -> None:
    found = await diagnosis("together", error(400, message))
    assert (found.kind, found.retryable, found.limit) == ("context_overflow", False, limit)


async def test_no_key_enters_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "a-very-secret-value")
    found = await diagnosis("openai", error(401, "Incorrect API key: a-very-secret-value, sk-abcdefgh12345678"))
    assert found.message == "HTTP 401: Incorrect API key: [redacted], [redacted]"


async def test_long_words_are_cut_and_take_one_line() -> None:
    found = await diagnosis("openai", error(400, "too\n  long " * 1000))
    assert found.message.startswith("HTTP 400: too long too long")
    assert len(found.message) == LONGEST_MESSAGE


@pytest.mark.parametrize(
    ("raised", "kind", "retryable"),
    [
        (TimeoutError(), "timeout", True),
        (ModelTimeoutError("slow"), "timeout", True),
        (ModelRateLimitError("slow down"), "rate_limited", True),
        (ModelAuthenticationError("no"), "auth", False),
        (httpx.ReadTimeout("slow"), "timeout", True),
        (aiohttp.ServerTimeoutError("slow"), "timeout", True),
        (ConnectionResetError("gone"), "connection", True),
        (socket.gaierror("no such host"), "connection", True),
        (ssl.SSLError("bad record"), "connection", True),
        (OSError("network is unreachable"), "connection", True),
        (httpx.RemoteProtocolError("gone"), "connection", True),
        (aiohttp.ServerDisconnectedError(), "connection", True),
        (aiohttp.ClientPayloadError("cut"), "connection", True),
        (ContextOverflowError("too long"), "context_overflow", False),
        (json.JSONDecodeError("no json", "{", 1), "server", True),
        (KeyError("choices"), "server", True),
        (RuntimeError("out of luck"), "server", False),
        (NotImplementedError(), "server", False),
    ],
)
def test_plain_exceptions_have_a_kind(raised: Exception, kind: str, retryable: bool) -> None:
    found = classify(raised)
    assert (found.kind, found.retryable) == (kind, retryable)
    assert found.message


def test_an_error_without_words_is_named_by_its_class() -> None:
    assert classify(NotImplementedError()).message == "NotImplementedError"


def test_the_cause_of_an_error_tells_its_status() -> None:
    class StatusError(Exception):
        status = 429

    failed = RuntimeError("the model failed")
    failed.__cause__ = StatusError("slow down")
    assert classify(failed).kind == "rate_limited"


def test_a_record_keeps_kind_and_words() -> None:
    assert Diagnosis("auth", "no").record() == {"kind": "auth", "message": "no"}


@SDKS
@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (completion("four"), None),
        (completion("four", finish_reason="length"), None),
        (completion(""), "empty"),
        (completion(None), "empty"),
        (completion("  \n"), "empty"),
        (completion("<think>Let me see"), "empty"),
        (completion("", finish_reason="length"), "empty"),
        (completion(None, refusal="I can't help with that."), "refused"),
        (completion("fo", finish_reason="content_filter"), "refused"),
    ],
)
async def test_answers_over_the_socket_are_judged(sdk: str, reply: Reply, kind: str | None) -> None:
    found = judge(await asked(sdk, reply))
    assert (found and found.kind) == kind


async def test_a_refusal_is_told_in_the_models_words() -> None:
    found = judge(await asked("openai", completion(None, refusal="I can't help with that.")))
    assert found == Diagnosis("refused", "I can't help with that.")


def test_an_answer_that_thought_away_its_tokens_says_what_to_do() -> None:
    found = judge(AIMessage("", response_metadata={"finish_reason": "length"}))
    assert found is not None
    assert "raise max_tokens" in found.message


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (AIMessage("", tool_calls=[{"name": "look", "args": {}, "id": "1"}]), None),
        (AIMessage([{"type": "refusal", "refusal": "No."}]), "refused"),
        (AIMessage("", response_metadata={"stop_reason": "refusal"}), "refused"),
        (AIMessage("", response_metadata={"finish_reason": "SAFETY"}), "refused"),
        (AIMessage("", response_metadata={"prompt_feedback": {"block_reason": "SAFETY"}}), "refused"),
        (AIMessage([{"type": "text", "text": "four"}]), None),
        (AIMessage([]), "empty"),
    ],
)
def test_other_providers_answers_are_judged(message: AIMessage, kind: str | None) -> None:
    found = judge(message)
    assert (found and found.kind) == kind


@pytest.mark.parametrize(
    ("metadata", "truncated"),
    [
        ({"finish_reason": "length"}, True),
        ({"finish_reason": "MAX_TOKENS"}, True),
        ({"stop_reason": "max_tokens"}, True),
        ({"done_reason": "length"}, True),
        ({"incomplete_details": {"reason": "max_output_tokens"}}, True),
        ({"finish_reason": "stop"}, False),
        ({"finish_reason": None}, False),
        ({}, False),
    ],
)
def test_an_answer_that_ran_out_of_tokens_is_known(metadata: dict[str, Any], truncated: bool) -> None:
    assert is_truncated(AIMessage("four", response_metadata=metadata)) is truncated


async def test_usage_is_what_the_provider_counted() -> None:
    assert usage_of(await asked("openai", completion())) == {"input": 11, "output": 3, "cached": 4}
    counted = {**CHUNK, "choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}
    answer = await asked("together", streamed(BEGINNING, counted), streaming=True)
    assert usage_of(answer) == {"input": 5, "output": 2, "cached": 0}


@pytest.mark.parametrize("message", [AIMessage("four"), AIMessageChunk(content="four")])
def test_usage_that_was_not_counted_is_unknown(message: AIMessage) -> None:
    assert usage_of(message) is None
