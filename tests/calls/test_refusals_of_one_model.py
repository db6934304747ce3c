"""What one model refuses is no refusal of the others at its address, and no refusal holds for ever."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from moa_graph import create_moa
from moa_graph.calls.failures import classify
from moa_graph.calls.gate import Gate, ModelQueue, Ticket
from moa_graph.calls.patience import LONGEST_HOLD, HeldBack
from moa_graph.models.simulation import Profile
from moa_graph.server.simulator import running_simulator
from tests.models.simulation_requests import instant
from tests.models_for_tests import provider_error, scripted

QUESTION: Any = {"messages": [("user", "What is 17 * 24 + 3?")]}


def refusing(name: str, seconds: float) -> Profile:
    return instant(name, faults=[{"kind": "status", "status": 429, "retry_after": seconds}])


async def refused(queue: ModelQueue, seconds: float = 60, **facts: Any) -> bool:
    ticket = await queue.enter()
    blamed = queue.was_refused(ticket, seconds, **facts)
    queue.leave()
    return blamed


@pytest.mark.parametrize("seconds", [3_600, 1_000_000_000])
async def test_the_others_at_its_address_go_on(seconds: float) -> None:
    profiles = {"a": instant("a"), "bad": refusing("bad", seconds), "c": instant("c")}
    stages: list[Any] = [{"propose": {"slots": ["a", "bad", "c"]}}, {"aggregate": {"slot": "a"}}]
    with running_simulator(profiles) as simulator:
        models = {name: {"model": f"openai:{name}", "base_url": simulator.base_url} for name in profiles}
        graph = create_moa({"name": "one-bad", "models": models, "stages": stages}).compile()
        for _ in range(3):
            state = await graph.ainvoke(QUESTION)
            assert state["report"]["degraded"] == []
            assert [record["status"] for record in state["records"]] == ["live", "failed", "live", "live"]
        assert simulator.stats()["total"]["statuses"] == {"200": 9, "429": 1}


@pytest.mark.virtual_clock
async def test_a_model_that_asks_for_hours_is_given_up_at_once_even_by_a_call_that_has_them() -> None:
    bad = scripted("bad", provider_error(429, retry_after=86_400))
    slots = [{"model": bad, "samples": 3}, scripted("good")]
    stages: list[Any] = [{"propose": {"slots": slots, "timeout": 1e9}}, {"aggregate": {"slot": scripted("writer")}}]
    state = await create_moa({"stages": stages, "limits": {"object": {"concurrency": 1}}}).compile().ainvoke(QUESTION)
    assert asyncio.get_running_loop().time() < 1
    assert [record["status"] for record in state["records"]] == ["failed"] * 3 + ["live"] * 2


@pytest.mark.virtual_clock
async def test_a_provider_that_has_recovered_is_asked_again_without_a_restart() -> None:
    model = scripted("a", provider_error(429, retry_after=1_000_000_000), "at last")
    graph = create_moa(proposers=[model, scripted("b")], aggregator=scripted("writer"), layers=2).compile()
    first = await graph.ainvoke(QUESTION)
    assert first["records"][0]["failure"]["kind"] == "rate_limited"
    await asyncio.sleep(LONGEST_HOLD)
    assert (await graph.ainvoke(QUESTION))["records"][0]["text"] == "at last"


@pytest.mark.virtual_clock
async def test_a_second_models_refusal_slows_all_but_stops_none() -> None:
    gate = Gate()
    entered = [await gate.queue("c").enter() for _ in range(8)]
    await refused(gate.queue("a"))
    assert gate.queue("c").held_for == 0
    await refused(gate.queue("b"))
    for ticket in entered:
        gate.queue("c").leave()
        gate.queue("c").went_well(ticket)
    assert gate.queue("c").held_for == 0
    assert gate.pace.allowed == 1
    first = await gate.queue("c").enter()
    second = asyncio.create_task(gate.queue("c").enter())
    await asyncio.sleep(1)
    assert not second.done()
    gate.queue("c").leave()
    gate.queue("c").went_well(first)
    await second
    gate.queue("c").leave()
    assert gate.pace.inside == 0


@pytest.mark.virtual_clock
async def test_what_a_provider_says_of_the_whole_account_holds_for_all_its_models() -> None:
    gate = Gate()
    await refused(gate.queue("a"), 60, everywhere=True)
    assert gate.queue("b").held_for == 60
    with pytest.raises(HeldBack, match="60 s"):
        gate.queue("b").check(InAHurry())


class InAHurry:
    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def ends_within(self, seconds: float) -> bool:
        return seconds > 1


@pytest.mark.virtual_clock
async def test_who_waits_in_vain_is_told_as_soon_as_that_is_known() -> None:
    gate = Gate()
    gate.narrow(1, None, None)
    queue = gate.queue("a")
    ticket = await queue.enter()
    hurried, patient = (asyncio.create_task(queue.enter(clock=clock)) for clock in (InAHurry(), None))
    await asyncio.sleep(0)
    queue.was_refused(ticket, 60)
    queue.leave()
    with pytest.raises(HeldBack):
        await hurried
    assert asyncio.get_running_loop().time() == 0
    assert isinstance(await patient, Ticket)
    assert asyncio.get_running_loop().time() == pytest.approx(60)


@pytest.mark.parametrize(
    ("headers", "everywhere"),
    [
        ({}, False),
        ({"X-RateLimit-Global": "true"}, True),
        ({"x-ratelimit-scope": "account"}, True),
        ({"x-ratelimit-scope": "model"}, False),
        ({"x-ratelimit-remaining-requests": "0"}, False),
    ],
)
def test_whose_limit_it_is_stands_in_the_headers(headers: dict[str, str], everywhere: bool) -> None:
    error = provider_error(429)
    error.response.headers = headers
    assert classify(error).everywhere is everywhere


@pytest.mark.parametrize("status", [408, 429, 503])
def test_what_asks_for_hours_is_not_retried(status: int) -> None:
    diagnosis = classify(provider_error(status, retry_after=3_600))
    assert (diagnosis.retryable, diagnosis.retry_after) == (False, 3_600)
    assert diagnosis.is_throttled is (status == 429)
