"""What can pass is asked again, as often and as long as the slot says; nothing else is."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from moa_graph import create_moa
from moa_graph.state import Call, Record
from tests.models_for_tests import Reply, ScriptedModel, provider_error, scripted

pytestmark = pytest.mark.virtual_clock

QUESTION: Any = {"messages": [("user", "a question")]}


async def ask(model: ScriptedModel, *fallbacks: ScriptedModel, **slot: Any) -> tuple[Record, list[Call]]:
    """The record of a slot and its calls; a second slot sees to it that the turn has its answer."""
    slots = [{"model": model, "fallbacks": list(fallbacks), **slot}, scripted("other")]
    graph = create_moa({"stages": [{"propose": {"slots": slots}}, {"aggregate": {"slot": scripted("writer")}}]})
    updates: Any = graph.compile().astream(QUESTION, stream_mode="updates")
    nodes = {name: update async for part in updates for name, update in part.items()}
    update = nodes[f"layer_1/{model.model}"]
    return update["records"][0], update["ledger"]


def times(model: ScriptedModel) -> list[float]:
    return [asked.at for asked in model.journal.asked]


async def test_a_provider_that_asks_for_time_gets_it() -> None:
    model = scripted("a", provider_error(429, retry_after=7), provider_error(503, retry_after=3), "at last")
    record, calls = await ask(model)
    assert times(model) == [0, 7, 10]
    assert record["text"] == "at last"
    assert [call["failure"] and call["failure"]["kind"] for call in calls] == ["rate_limited", "server", None]


async def test_without_a_word_of_the_provider_waits_double() -> None:
    model = scripted("a", provider_error(500))
    await ask(model, tries=4)
    waits = [later - sooner for sooner, later in zip(times(model), times(model)[1:], strict=False)]
    assert [low <= wait <= 2 * low for wait, low in zip(waits, [0.25, 0.5, 1.0], strict=True)] == [True] * 3


@pytest.mark.parametrize("tries", [1, 2, 5])
async def test_no_more_requests_are_made_than_the_slot_has_tries(tries: int) -> None:
    model = scripted("a", provider_error(500, "overloaded"))
    record, calls = await ask(model, tries=tries)
    assert len(model.journal.asked) == len(calls) == tries
    assert record["failure"] == {"kind": "server", "message": "HTTP 500: overloaded"}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_what_cannot_pass_is_not_asked_again(status: int) -> None:
    model = scripted("a", provider_error(status))
    await ask(model)
    assert len(model.journal.asked) == 1


async def test_no_wait_goes_beyond_the_timeout() -> None:
    model = scripted("a", provider_error(429, retry_after=30))
    record, _ = await ask(model, timeout=20)
    assert times(model) == [0]
    assert asyncio.get_running_loop().time() < 1
    assert record["failure"] is not None
    assert record["failure"]["kind"] == "rate_limited"


async def test_a_timeout_is_for_all_tries_of_a_model_together() -> None:
    model = scripted("a", Reply(error=provider_error(500), delay=6))
    record, calls = await ask(model, timeout=10)
    assert len(calls) == 2
    assert record["failure"] == {
        "kind": "timeout",
        "message": "no answer within 10 s: timeout (--timeout) gives a model more time",
    }
    assert record["seconds"] == pytest.approx(10)


async def test_a_call_that_timed_out_is_in_the_ledger_as_an_estimate() -> None:
    record, (call,) = await ask(scripted("a", Reply(delay=50)), timeout=10)
    assert (call["failure"], call["estimated"]) == (record["failure"], True)
    assert call["seconds"] == pytest.approx(10)
    assert call["usage"] is not None
    assert call["usage"]["input"] > 0


async def test_a_fallback_has_tries_and_time_of_its_own() -> None:
    model, fallback = scripted("a", Reply(delay=50)), scripted("b", provider_error(500), Reply("saved", delay=5))
    record, calls = await ask(model, fallback, timeout=10, tries=2)
    assert record["text"] == "saved"
    assert record["model"] == "object:b"
    assert [call["attempt"] for call in calls] == [1, 2, 3]
    assert "a failed (timeout)" in record["notes"][0]


async def test_a_refused_parameter_is_dropped_and_told() -> None:
    model = scripted("a", provider_error(400, "Unsupported parameter: 'temperature'"), "without")
    record, calls = await ask(model, temperature=0.5, tries=1)
    assert (record["text"], len(calls)) == ("without", 2)
    assert record["notes"] == ["temperature was dropped: the model refuses it"]


async def test_a_model_that_answers_its_cancellation_with_an_error_is_not_asked_again() -> None:
    async def stubborn() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            raise ConnectionError("closed") from None

    model = scripted("a", Reply(until=stubborn))
    record, calls = await ask(model, timeout=10)
    assert len(calls) == len(model.journal.asked) == 1
    assert record["failure"] == {
        "kind": "timeout",
        "message": "no answer within 10 s: timeout (--timeout) gives a model more time",
    }


async def test_a_run_is_cancelled_even_where_a_model_answers_that_with_an_error() -> None:
    async def stubborn() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            raise ConnectionError("closed") from None

    model = scripted("a", Reply(until=stubborn))
    run = asyncio.create_task(ask(model))
    await asyncio.sleep(5)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert len(model.journal.asked) == 1


async def test_a_run_is_cancelled_even_where_a_model_answers_all_the_same() -> None:
    async def deaf() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)

    run = asyncio.create_task(ask(scripted("a", Reply(until=deaf))))
    await asyncio.sleep(5)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


async def test_a_model_that_cancels_itself_has_failed_and_the_run_goes_on() -> None:
    async def gives_up() -> None:
        raise asyncio.CancelledError

    record, calls = await ask(scripted("a", Reply(until=gives_up)), tries=1)
    assert record["failure"] == {"kind": "server", "message": "the model's own code cancelled the call"}
    assert len(calls) == 1
