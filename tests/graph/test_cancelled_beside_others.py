"""Clients go away: a run that is cancelled leaves nothing behind, and takes nothing from the others."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from moa_graph import create_moa
from moa_graph.calls.gate import Gate
from moa_graph.models.clients import of_running_loop
from moa_graph.store import Store, open_store
from tests.models_for_tests import ScriptedModel, scripted

pytestmark = pytest.mark.virtual_clock

QUESTION: Any = {"messages": [("user", "a question")]}


def mixture(model: ScriptedModel, concurrency: int, store: Store | None = None) -> Any:
    description = {
        "stages": [{"propose": {"slots": [model, {"model": model, "name": "b"}]}}, {"aggregate": {"slot": model}}],
        "limits": {"object": {"concurrency": concurrency}},
    }
    return create_moa(description, store=store).compile()


def gate_of(model: ScriptedModel) -> Gate:
    gates: dict[int, Gate] = of_running_loop().once("gates of objects", dict)
    return gates[id(model)]


@pytest.mark.parametrize("when", [0.5, 1.0, 7.5])
async def test_runs_cancelled_in_the_queue_stop_nobody(when: float) -> None:
    model = scripted("a", delay=1)
    compiled = mixture(model, concurrency=3)
    runs = [asyncio.create_task(compiled.ainvoke(QUESTION)) for _ in range(100)]
    await asyncio.sleep(when)
    for run in runs[45:95:5]:
        run.cancel()
    ended = await asyncio.wait_for(asyncio.gather(*runs, return_exceptions=True), timeout=1_000)
    answered = [state for state in ended if isinstance(state, dict)]
    assert len(answered) == 90
    assert all(state["report"]["failed_calls"] == 0 for state in answered)
    assert (gate_of(model).pace.inside, [queue for queue in gate_of(model).queues() if queue.waiting]) == (0, [])


@pytest.mark.parametrize("cancelled", [0, 1])
async def test_the_starter_of_a_shared_call_may_be_cancelled_in_the_queue(cancelled: int) -> None:
    model = scripted("a", delay=1)
    async with open_store(":memory:") as store:
        compiled, busy = mixture(model, 1, store), mixture(model, 1)
        before = asyncio.create_task(busy.ainvoke(QUESTION))
        await asyncio.sleep(0.1)
        runs = [asyncio.create_task(compiled.ainvoke(QUESTION)) for _ in range(2)]
        await asyncio.sleep(0.1)
        runs[cancelled].cancel()
        state = await asyncio.wait_for(runs[1 - cancelled], timeout=100)
        await before
        after = await asyncio.wait_for(busy.ainvoke(QUESTION), timeout=100)
    assert [one["report"]["failed_calls"] for one in (state, after)] == [0, 0]
    assert gate_of(model).pace.inside == 0
