"""Streams over time: silence, answers that begin again, clients that leave. All on a virtual clock."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.doors.virtual_client import door_over, post
from tests.models_for_tests import Reply, provider_error, scripted

ENDPOINTS = ["/v1/chat/completions", "/v1/responses"]

pytestmark = pytest.mark.virtual_clock


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_a_comment_breaks_every_ten_seconds_of_silence(path: str) -> None:
    door = door_over(scripted("writer", Reply("done", delay=34)), scripted("a", Reply("a proposal", delay=15)))
    told = await post(door, path, stream=True)
    comments = [round(at) for at, part in told.parts if part == b": still thinking\n\n"]
    assert comments == [10, 25, 35, 45]  # the proposal comes at 15, the answer at 49
    lines = told.body.decode().split("\n")
    assert all(line == "" or line.startswith((": ", "data: ", "event: ")) for line in lines)
    assert "data: " not in lines
    assert "data:" not in lines


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_the_first_chunk_comes_before_any_model_answers(path: str) -> None:
    door = door_over(scripted("writer", "done"), scripted("a", Reply("a proposal", delay=100)))
    told = await post(door, path, stream=True)
    at, first = told.parts[0]
    assert at < 1
    assert (b'"role":"assistant"' if path == ENDPOINTS[0] else b"response.created") in first


@pytest.mark.parametrize("spare", [[], ["spare"]], ids=["retry", "fallback"])
async def test_an_answer_that_begins_again_ends_as_an_error_never_as_doubled_text(spare: list[str]) -> None:
    broken = Reply(error=ConnectionError("gone"), pieces=["half ", "an "])
    writer = scripted("writer", broken, *([provider_error(401)] if spare else ["half an answer"]))
    door = door_over(writer, scripted("a"), fallbacks=[scripted(name, "half an answer") for name in spare])
    told = await post(door, stream=True)
    assert told.text == "half an"
    assert told.events[-1]["error"]["code"] == "answer_began_again"
    assert b"[DONE]" not in told.body


async def test_a_response_that_begins_again_fails() -> None:
    writer = scripted("writer", Reply(error=ConnectionError("gone"), pieces=["half "]), "half an answer")
    told = await post(door_over(writer, scripted("a")), "/v1/responses", stream=True)
    kinds = [event["type"] for event in told.events]
    assert kinds[-2:] == ["error", "response.failed"]
    assert "response.completed" not in kinds
    assert told.events[-1]["response"]["error"]["code"] == "answer_began_again"
    deltas = [event["delta"] for event in told.events if event["type"] == "response.output_text.delta"]
    assert deltas == ["half"]


async def test_a_failure_before_the_first_token_is_mended_unseen() -> None:
    writer = scripted("writer", Reply(error=ConnectionError("gone")), "an answer")
    told = await post(door_over(writer, scripted("a")), stream=True)
    assert told.text == "an answer"
    assert told.events[-1]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("after", [5, 15], ids=["proposing", "writing"])
async def test_a_client_that_leaves_closes_the_calls_of_its_run(path: str, stream: bool, after: float) -> None:
    proposer, writer = scripted("a", Reply("a proposal", delay=10)), scripted("writer", Reply("done", delay=10))
    await post(door_over(writer, proposer), path, leave_after=after, stream=stream)
    assert asyncio.get_running_loop().time() == pytest.approx(after, abs=0.5)
    journals = (proposer.journal, writer.journal)
    assert [journal.in_flight for journal in journals] == [0, 0]
    assert sum(journal.cancelled for journal in journals) == 1


async def test_many_at_once_are_each_told_their_own_answer() -> None:
    def answer(asked: Any) -> Reply:
        return Reply(f"about {asked.messages[-1].text.split()[-1]}", delay=3)

    door = door_over(scripted("writer", answer), scripted("a", Reply("a proposal", delay=3)), concurrency=20)
    questions = [f"word-{number}" for number in range(60)]
    told = await asyncio.gather(
        *(post(door, stream=True, messages=[{"role": "user", "content": question}]) for question in questions)
    )
    assert [exchange.text.split()[-1] for exchange in told] == questions
    assert max(exchange.parts[0][0] for exchange in told) < 1  # also of those that wait for a place


@pytest.mark.parametrize("name", ["frequency_penalty", "presence_penalty", "logit_bias", "verbosity"])
async def test_what_the_writer_cannot_be_told_is_refused(name: str) -> None:
    value: Any = {"logit_bias": {"50256": -100}, "verbosity": "low"}.get(name, 0.5)
    told = await post(door_over(scripted("writer"), scripted("a")), **dict[str, Any]({name: value}))
    assert (told.status, told.data["error"]["param"]) == (400, name)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_run_that_cannot_begin_is_a_status(stream: bool) -> None:
    told = await post(door_over(scripted("writer"), scripted("a")), stream=stream, moa={"calls": 1})
    assert (told.status, told.data["error"]["code"]) == (400, "budget_too_small")
    compressed = await post(door_over(scripted("writer"), scripted("a")), headers={"content-encoding": "gzip"})
    assert compressed.status == 415


async def test_every_model_failing_is_told_with_each_one_s_reason() -> None:
    door = door_over(scripted("writer", provider_error(400, "no such thing")), scripted("a", provider_error(401)))
    whole = await post(door)
    assert (whole.status, whole.data["error"]["code"]) == (502, "run_failed")
    assert "auth" in whole.data["error"]["message"]
    streamed = await post(door, stream=True)
    assert streamed.events[-1]["error"]["code"] == "run_failed"
