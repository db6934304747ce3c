"""Limits pace a mixture's calls and fail none; only the provider's own refusals use up a call's time."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import pytest

from moa_graph import create_moa
from moa_graph.errors import MixtureError
from tests.models_for_tests import Asked, Reply, ScriptedModel, provider_error, scripted

pytestmark = pytest.mark.virtual_clock

QUESTION: Any = {"messages": [("user", "a question")]}


def mixture(*slots: Any, limits: dict[str, Any] | None = None, **propose: Any) -> Any:
    stages = [{"propose": {"slots": list(slots), **propose}}, {"aggregate": {"slot": scripted("writer")}}]
    return create_moa({"stages": stages, "limits": limits or {}}).compile()


def every(state: dict[str, Any], field: str) -> list[Any]:
    return [record[field] for record in state["records"] if record["kind"] == "proposal"]


async def test_waiting_for_our_own_limits_takes_none_of_a_calls_time() -> None:
    model = scripted("a", delay=30)
    compiled = mixture({"model": model, "samples": 4}, limits={"object": {"concurrency": 1}})
    state = await compiled.ainvoke(QUESTION)
    assert every(state, "status") == ["live"] * 4
    assert [asked.at for asked in model.journal.asked] == [0, 30, 60, 90]


async def test_a_minutes_allowance_fails_no_call() -> None:
    model = scripted("a")
    compiled = mixture(model, limits={"object": {"requests": 10}})
    states = await asyncio.gather(*(compiled.ainvoke(QUESTION) for _ in range(35)))
    assert all(state["report"]["degraded"] == [] for state in states)
    assert asyncio.get_running_loop().time() >= 180


async def test_a_call_that_was_never_sent_is_in_no_ledger_and_costs_nothing() -> None:
    model = scripted("a", delay=5)
    compiled = mixture({"model": model, "samples": 3}, limits={"object": {"concurrency": 1}}, quorum=1)
    state = await compiled.ainvoke(QUESTION)
    assert every(state, "status") == ["live", "failed", "failed"]
    assert len(model.journal.asked) == 2  # the second went out as the first came back
    assert (state["report"]["calls"], state["report"]["failed_calls"]) == (3, 1)


async def test_a_call_that_was_never_sent_returns_what_was_set_aside_for_it() -> None:
    held = scripted("held", provider_error(429, retry_after=3600), "at last")
    stages = [
        {"propose": {"slots": [{"model": held, "fallbacks": [scripted("other")]}]}},
        {"aggregate": {"slot": scripted("writer")}},
    ]
    compiled = create_moa({"stages": stages, "budget": {"calls": 3}}).compile()
    for calls in (3, 2):
        state = await compiled.ainvoke(QUESTION)
        assert every(state, "model") == ["object:other"]
        assert state["report"]["calls"] == calls


async def test_where_a_provider_asks_for_more_time_than_a_call_has_its_fallback_is_asked_at_once() -> None:
    held = scripted("held", provider_error(429, retry_after=3600), "at last")
    compiled = mixture({"model": held, "fallbacks": [scripted("other")]})
    for _ in range(2):
        state = await compiled.ainvoke(QUESTION)
        assert every(state, "text") == ["other's answer"]
    assert asyncio.get_running_loop().time() < 1
    assert len(held.journal.asked) == 1
    assert "asked to wait 3600 s more" in state["records"][0]["notes"][0]


async def test_waiting_for_the_end_of_refusals_takes_a_calls_own_time() -> None:
    refusing = scripted("refusing", provider_error(429, retry_after=20), delay=1)
    compiled = mixture({"model": refusing, "samples": 6, "timeout": 50, "tries": 9}, scripted("other"))
    state = await compiled.ainvoke(QUESTION)
    assert every(state, "status") == ["failed"] * 6 + ["live"]
    assert {failure["kind"] for failure in every(state, "failure")[:6]} == {"rate_limited"}
    assert asyncio.get_running_loop().time() <= 50


def allowing(requests: int, seconds: float) -> ScriptedModel:
    """A provider that answers so many requests in any so many seconds, and refuses the others for a second."""
    answered: deque[float] = deque()

    def reply(asked: Asked) -> Reply:
        while answered and answered[0] + seconds <= asked.at:
            answered.popleft()
        if len(answered) >= requests:
            return Reply(error=provider_error(429, retry_after=1))
        answered.append(asked.at)
        return Reply(delay=0.01)

    return scripted("limited", reply)


@pytest.mark.parametrize(("requests", "seconds"), [(40, 1.0), (5, 0.2), (3, 1.0)])
async def test_however_little_a_provider_allows_every_call_ends_well(requests: int, seconds: float) -> None:
    compiled = mixture({"model": allowing(requests, seconds), "samples": 6})
    states = await asyncio.gather(*(compiled.ainvoke(QUESTION) for _ in range(20)))
    assert [every(state, "status") for state in states] == [["live"] * 6] * 20


def test_limits_of_what_is_no_provider_are_refused() -> None:
    with pytest.raises(MixtureError, match=r"limits: there is no provider 'togehter'; there are .*together"):
        mixture(scripted("a"), limits={"togehter": {"concurrency": 1}})


async def test_a_call_that_times_out_before_it_was_sent_leaves_its_budget_to_its_fallback() -> None:
    def reply(asked: Asked) -> Reply:
        return Reply(error=provider_error(429, retry_after=1)) if asked.number == 0 else Reply(delay=100)

    slot = {"model": scripted("crowded", reply), "samples": 2, "timeout": 5, "fallbacks": [scripted("other")]}
    stages = [{"propose": {"slots": [slot]}}, {"aggregate": {"slot": scripted("writer")}}]
    state = await create_moa({"stages": stages, "budget": {"calls": 5}}).compile().ainvoke(QUESTION)
    assert every(state, "text") == ["other's answer"] * 2
    assert state["report"]["calls"] == 5


async def test_what_a_timeout_is_told_by_is_where_the_call_was() -> None:
    def reply(asked: Asked) -> Reply:
        return Reply(error=provider_error(429, retry_after=1)) if asked.number == 0 else Reply(delay=100)

    slot = {"model": scripted("crowded", reply), "samples": 2, "timeout": 5, "fallbacks": [scripted("slow", delay=50)]}
    state = await mixture(slot, scripted("quick")).ainvoke(QUESTION)
    failed = [record for record in state["records"] if record["status"] == "failed"]
    assert [record["failure"]["kind"] for record in failed] == ["timeout"] * 2
    assert {record["notes"][0].partition("(")[2].partition(")")[0] for record in failed} == {"timeout", "rate_limited"}
