"""A provider is asked as fast as it allows: in flight, by the minute, and after it has said 429."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from moa_graph.calls.gate import Gate, ModelQueue
from moa_graph.calls.limits import Limits, most_connections, queue_of
from moa_graph.description import ModelSettings
from moa_graph.models.catalogue import Catalogue, Member
from tests.models_for_tests import scripted
from tests.virtual_clock import run_virtual

pytestmark = pytest.mark.virtual_clock


def a_gate(concurrency: int | None = None, requests: int | None = None, tokens: int | None = None) -> ModelQueue:
    gate = Gate()
    gate.narrow(concurrency, requests, tokens)
    return gate.queue("a")


@dataclass
class Provider:
    """Answers calls that come through a gate, and refuses those that are too many at once."""

    gate: ModelQueue
    seconds: float = 1.0
    at_once: Callable[[float], float] = lambda _: float("inf")
    retry_after: float = 1.0
    in_flight: int = 0
    most: int = 0
    began: list[float] = field(default_factory=list)
    refusals: int = 0

    async def answer(self) -> None:
        """Asks until there is an answer."""
        while not await self._once():
            pass

    async def _once(self) -> bool:
        storms = await self.gate.enter(100)
        try:
            refused = not await self._asked()
            if refused:
                self.refusals += 1
                self.gate.was_refused(storms, self.retry_after)
        finally:
            self.gate.leave()
        if not refused:
            self.gate.went_well(storms)
        return not refused

    async def _asked(self) -> bool:
        now = asyncio.get_running_loop().time()
        self.began.append(now)
        if self.in_flight >= self.at_once(now):
            return False
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.in_flight -= 1
        return True


async def asked_at_once(provider: Provider, calls: int) -> float:
    """Seconds until all are answered."""
    began = asyncio.get_running_loop().time()
    await asyncio.gather(*(provider.answer() for _ in range(calls)))
    return asyncio.get_running_loop().time() - began


def most_in_a_minute(provider: Provider) -> int:
    began = provider.began
    return max(sum(start <= one < start + 59.99 for one in began) for start in began)


def member(name: str, **settings: object) -> Member:
    return Catalogue({name: ModelSettings.model_validate({"model": f"openai:{name}", **settings})}).member(name)


async def test_without_limits_all_calls_go_out_at_once() -> None:
    provider = Provider(a_gate())
    assert await asked_at_once(provider, 500) == 1
    assert provider.most == 500


async def test_no_more_calls_are_in_flight_than_the_concurrency_allows() -> None:
    provider = Provider(a_gate(concurrency=4))
    assert await asked_at_once(provider, 20) == 5
    assert provider.most == 4


async def test_requests_a_minute_are_kept_to_in_every_minute() -> None:
    provider = Provider(a_gate(requests=60), seconds=0)
    assert await asked_at_once(provider, 180) == 120
    assert most_in_a_minute(provider) == 60


async def test_requests_a_minute_are_kept_to_by_those_that_waited_for_a_place() -> None:
    provider = Provider(a_gate(concurrency=1, requests=60), seconds=300)
    first = asyncio.create_task(provider.answer())
    await asyncio.sleep(1)
    provider.seconds = 0
    await asked_at_once(provider, 150)
    await first
    assert most_in_a_minute(provider) == 60


async def test_requests_a_minute_are_kept_to_by_those_that_waited_for_the_end_of_a_storm() -> None:
    provider = Provider(a_gate(requests=60), seconds=0, at_once=lambda now: 0 if now < 1 else 100, retry_after=180)
    await asked_at_once(provider, 240)
    assert most_in_a_minute(provider) == 60


async def test_tokens_a_minute_are_kept_to() -> None:
    provider = Provider(a_gate(tokens=1_000), seconds=0)
    assert await asked_at_once(provider, 21) == 120
    assert most_in_a_minute(provider) == 10


async def test_a_large_call_is_not_overtaken_by_small_ones() -> None:
    gate, order = a_gate(tokens=6_000), []

    async def call(tokens: int) -> None:
        await gate.enter(tokens)
        order.append(tokens)
        gate.leave()

    await asyncio.gather(call(5_000), call(3_000), *(call(100) for _ in range(50)))
    assert order[:2] == [5_000, 3_000]


@given(
    requests=st.integers(1, 20),
    arrivals=st.lists(st.floats(0, 200), min_size=1, max_size=80),
)
@settings(max_examples=40)
def test_however_calls_arrive_no_minute_has_more_than_its_allowance(requests: int, arrivals: list[float]) -> None:
    async def run() -> None:
        provider = Provider(a_gate(requests=requests), seconds=0)

        async def arrive(when: float) -> None:
            await asyncio.sleep(when)
            await provider.answer()

        await asyncio.gather(*map(arrive, arrivals))
        assert most_in_a_minute(provider) <= requests

    run_virtual(run)


async def test_a_call_larger_than_a_minutes_tokens_still_goes_out() -> None:
    gate = a_gate(tokens=10)
    await asyncio.wait_for(gate.enter(100), timeout=1)


async def test_a_refusal_stops_every_call_to_the_model_for_as_long_as_it_asks() -> None:
    provider = Provider(a_gate(), at_once=lambda now: 0 if now < 7 else 100, retry_after=7)
    await asked_at_once(provider, 10)
    assert provider.began[0] == 0
    assert min(provider.began[1:]) == pytest.approx(7)


async def test_what_the_calls_of_one_storm_say_counts_once() -> None:
    gate = a_gate()
    storms = [await gate.enter(0) for _ in range(64)]
    for storm in storms:
        gate.was_refused(storm, 1)
        gate.leave()
    assert (gate.pace.storms, gate.pace.threshold) == (1, 32)


async def test_calls_from_before_a_storm_do_not_speed_up_what_comes_after_it() -> None:
    gate = a_gate()
    before, refused = await gate.enter(0), await gate.enter(0)
    gate.was_refused(refused, 1)
    gate.went_well(before)
    assert gate.pace.allowed == 1


async def test_the_rate_recovers_after_a_storm() -> None:
    provider = Provider(a_gate(), seconds=0.1, at_once=lambda now: 4 if now < 5 else 64)
    await asked_at_once(provider, 64)
    provider.most = 0
    await asked_at_once(provider, 2_000)
    assert provider.most > 32


async def test_a_capacity_that_nobody_told_is_found_and_mostly_used() -> None:
    provider = Provider(a_gate(), at_once=lambda _: 10, retry_after=1)
    taken = await asked_at_once(provider, 400)
    assert taken < 400 / 10 * 2
    assert provider.refusals < 400


async def test_growth_stops_at_the_concurrency_that_is_allowed() -> None:
    provider = Provider(a_gate(concurrency=8), at_once=lambda now: 2 if now < 3 else 100)
    await asked_at_once(provider, 100)
    assert provider.most == 8


async def test_a_cancelled_call_gives_its_place_to_the_next() -> None:
    gate = a_gate(concurrency=1)
    await gate.enter(0)
    waiting = [asyncio.create_task(gate.enter(0)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    gate.leave()
    await waiting[1]
    assert waiting[1].done()
    assert not waiting[2].done()
    gate.leave()
    await waiting[2]
    gate.leave()
    assert gate.pace.inside == 0


async def test_a_call_cancelled_just_as_it_gets_its_place_gives_it_on() -> None:
    gate = a_gate(concurrency=1)
    await gate.enter(0)
    first, second = (asyncio.create_task(gate.enter(0)) for _ in range(2))
    await asyncio.sleep(0)
    gate.leave()
    first.cancel()
    await asyncio.wait_for(second, timeout=1)
    assert first.cancelled()


async def test_calls_go_out_in_the_order_in_which_they_came() -> None:
    gate, order = a_gate(concurrency=1), []

    async def call(number: int) -> None:
        await gate.enter(0)
        order.append(number)
        await asyncio.sleep(1)
        gate.leave()

    await asyncio.gather(*map(call, range(10)))
    assert order == list(range(10))


@given(
    calls=st.integers(1, 60),
    capacities=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    retry_after=st.sampled_from([0.01, 0.5, 3.0]),
    concurrency=st.none() | st.integers(1, 20),
)
@settings(max_examples=40)
def test_whatever_a_provider_allows_every_call_is_answered_and_no_place_is_lost(
    calls: int, capacities: list[int], retry_after: float, concurrency: int | None
) -> None:
    async def run() -> None:
        gate = a_gate(concurrency=concurrency)
        provider = Provider(
            gate, at_once=lambda now: capacities[int(now / 5) % len(capacities)], retry_after=retry_after
        )
        await asyncio.wait_for(asked_at_once(provider, calls), timeout=10_000)
        assert (gate.pace.inside, len(gate.waiting)) == (0, 0)
        assert provider.most <= (concurrency or calls)

    run_virtual(run)


async def test_models_of_one_provider_share_a_gate_and_other_providers_have_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "one")
    monkeypatch.setenv("OTHER_API_KEY", "two")
    assert queue_of(member("a"), None).gate is queue_of(member("b"), None).gate
    assert queue_of(member("a"), None).gate is not queue_of(member("a", base_url="http://127.0.0.1:9/v1"), None).gate
    assert queue_of(member("a"), None).gate is not queue_of(member("a", key_variable="OTHER_API_KEY"), None).gate


async def test_a_new_key_in_the_same_variable_has_a_gate_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "old")
    before = queue_of(member("a"), None).gate
    monkeypatch.setenv("OPENAI_API_KEY", "new")
    assert queue_of(member("a"), None).gate is not before


async def test_mixtures_with_other_limits_share_the_gate_and_the_lowest_limits_hold() -> None:
    gate = queue_of(member("a"), Limits(concurrency=3))
    assert queue_of(member("a"), Limits(concurrency=2, requests=100)) is gate
    provider = Provider(queue_of(member("a"), Limits(concurrency=5)))
    await asked_at_once(provider, 20)
    assert provider.most == 2


async def test_two_chat_model_objects_do_not_share_a_gate() -> None:
    members = [Catalogue({}).member(scripted("a")) for _ in range(2)]
    assert queue_of(members[0], None).gate is not queue_of(members[1], None).gate


async def test_an_objects_gate_is_forgotten_with_the_object() -> None:
    gates = []
    for _ in range(20):
        model = scripted("a")
        gate = queue_of(Catalogue({}).member(model), None)
        gates.append(weakref.ref(gate))
        del gate, model
        gc.collect(1)  # the young ones: these objects are new
    assert [gate() for gate in gates] == [None] * 20


@pytest.mark.parametrize("field", ["concurrency", "requests", "tokens"])
def test_limits_below_one_are_refused(field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        Limits.model_validate({field: 0})


async def test_no_more_connections_are_opened_than_the_process_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1_024, 4_096))
    most_connections.cache_clear()
    assert queue_of(member("a"), None).gate.pace.most == 274
    assert queue_of(Catalogue({}).member("sim:a"), None).gate.pace.most > 1e9
    most_connections.cache_clear()
