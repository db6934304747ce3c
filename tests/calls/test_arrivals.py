"""A minute's limit holds by the provider's count, which begins when a call arrives and not when it is let go."""

from __future__ import annotations

import asyncio

import pytest

from moa_graph.calls.gate import Gate

pytestmark = pytest.mark.virtual_clock


async def third_call_after(seconds: float) -> float:
    """When the third call may go at two a minute, where the first two were answered after so many seconds."""
    gate = Gate()
    gate.narrow(None, requests=2, tokens=None)
    queue, now = gate.queue("model"), asyncio.get_running_loop().time
    began = now()
    tickets = [await queue.enter() for _ in range(2)]
    await asyncio.sleep(seconds)
    for ticket in tickets:
        queue.arrived(ticket)
        queue.leave()
    await queue.enter()
    return now() - began


@pytest.mark.parametrize(("answered_after", "free_at"), [(0.0, 60.0), (0.5, 60.5), (1.5, 61.5)])
async def test_a_quick_calls_minute_begins_with_its_answer(answered_after: float, free_at: float) -> None:
    assert await third_call_after(answered_after) == pytest.approx(free_at)


@pytest.mark.parametrize("answered_after", [2.0, 30.0, 59.0])
async def test_a_slow_calls_minute_begins_a_short_way_after_it_was_let_go(answered_after: float) -> None:
    assert await third_call_after(answered_after) == pytest.approx(62)


async def test_calls_on_a_busy_machine_keep_to_the_limit_by_the_providers_count() -> None:
    """Each reaches the provider as late as the machine lets it, and is answered at once."""
    gate = Gate()
    gate.narrow(None, requests=5, tokens=None)
    queue, now = gate.queue("model"), asyncio.get_running_loop().time
    arrivals: list[float] = []

    async def call(delay: float) -> None:
        ticket = await queue.enter()
        await asyncio.sleep(delay)
        arrivals.append(now())
        queue.arrived(ticket)
        queue.leave()

    await asyncio.gather(*(call(1.9 if number < 5 else 0.0) for number in range(25)))
    assert max(sum(begin <= other < begin + 60 for other in arrivals) for begin in arrivals) == 5
    assert max(arrivals) < 4 * 62
