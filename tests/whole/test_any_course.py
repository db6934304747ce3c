"""Whatever faults, cancellations, stores and limits runs meet: one answer where there can be one, nothing kept."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from moa_graph import create_moa
from moa_graph.calls.gate import Gate
from moa_graph.errors import RunFailed
from moa_graph.models.clients import of_running_loop
from moa_graph.store import open_store
from tests.models_for_tests import Asked, Reply, ScriptedModel, provider_error, scripted
from tests.virtual_clock import run_virtual

READ, WRITTEN, MOST = 20, 30, 50
PRICE = {"input": 1.0, "output": 2.0}
BILLED = READ + WRITTEN

FAULTS: dict[str, Callable[[float], Reply]] = {
    "fine": lambda delay: Reply("fine", delay=delay, usage=(READ, WRITTEN)),
    "untold": lambda delay: Reply("fine", delay=delay, usage=None),
    "lies": lambda delay: Reply("fine", delay=delay, usage=(-READ, -WRITTEN)),
    "empty": lambda delay: Reply("", delay=delay, usage=None),
    "broken": lambda delay: Reply(error=ValueError("no JSON"), delay=delay),
    "error": lambda delay: Reply(error=provider_error(500), delay=delay),
    "refused": lambda delay: Reply(error=provider_error(429, retry_after=delay), delay=0),
    "banned": lambda _: Reply(error=provider_error(429, retry_after=86_400)),
    "hangs": lambda _: Reply(delay=10_000),
}
BILLS = {"fine", "untold", "lies", "empty", "broken"}


@dataclass
class Course:
    """What models do, request by request, and what their server bills for it."""

    script: dict[str, list[tuple[str, float]]]
    billed: Counter[str] = field(default_factory=Counter)

    def model(self, name: str) -> ScriptedModel:
        def reply(asked: Asked) -> Reply:
            fault, delay = self.script[name][asked.number % len(self.script[name])]
            self.billed[name] += BILLED if fault in BILLS else 0
            return FAULTS[fault](delay)

        return scripted(name, reply)


STEPS = st.lists(
    st.tuples(st.sampled_from(["fine", "fine", *FAULTS]), st.sampled_from([0.0, 0.5, 3.0, 30.0])),
    min_size=1,
    max_size=4,
)
COURSES = st.fixed_dictionaries(
    {
        "script": st.fixed_dictionaries(dict.fromkeys(("a", "b", "w"), STEPS)),
        "quorum": st.none() | st.integers(1, 2),
        "tries": st.integers(1, 3),
        "concurrency": st.none() | st.integers(1, 3),
        "tokens": st.none() | st.integers(700, 3_000),
        "hedge": st.none() | st.sampled_from([0.1, 2.0]),
        "store": st.booleans(),
        "cancelled": st.lists(st.none() | st.floats(0, 70), min_size=1, max_size=4),
    }
)


async def check(drawn: dict[str, Any]) -> None:
    course = Course(drawn["script"])
    models = {
        name: {"model": course.model(name), "price": PRICE, "max_tokens": MOST, "window": 8_000}
        for name in drawn["script"]
    }
    slot = {"tries": drawn["tries"], "hedge": None if drawn["hedge"] is None else {"after": drawn["hedge"]}}
    stages = [
        {"propose": {"slots": [{"model": "a", **slot}, {"model": "b", **slot}], "quorum": drawn["quorum"]}},
        {"aggregate": {"slot": {"model": "w", "fallbacks": ["a"]}}},
    ]
    description = {
        "models": models,
        "stages": stages,
        "limits": {"object": {"concurrency": drawn["concurrency"]}},
        "budget": None if drawn["tokens"] is None else {"tokens": drawn["tokens"]},
    }
    before = asyncio.all_tasks()
    async with open_store(":memory:") as store:
        graph = create_moa(description, store=store if drawn["store"] else None).compile()
        runs = [asyncio.create_task(graph.ainvoke({"messages": [("user", "why?")]})) for _ in drawn["cancelled"]]

        async def cancel(run: asyncio.Task[Any], when: float) -> None:
            await asyncio.sleep(when)
            run.cancel()

        cancels = [
            asyncio.create_task(cancel(run, when))
            for run, when in zip(runs, drawn["cancelled"], strict=True)
            if when is not None
        ]
        ended = await asyncio.gather(*runs, return_exceptions=True)
        await asyncio.gather(*cancels)
    _check_ends(ended, drawn)
    _check_money(ended, drawn, course)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    gates: dict[int, Gate] = of_running_loop().once("gates of objects", dict)
    assert all(gate.pace.inside == 0 for gate in gates.values())
    assert not any(queue.waiting for gate in gates.values() for queue in gate.queues())


def _check_ends(ended: list[Any], drawn: dict[str, Any]) -> None:
    for state, when in zip(ended, drawn["cancelled"], strict=True):
        if isinstance(state, dict):
            assert sum(isinstance(message, AIMessage) for message in state["messages"]) == 1
            assert state["messages"][-1].text
        elif isinstance(state, RunFailed):
            assert "live proposal" in str(state)
            assert "0 live" in str(state)
        else:
            assert isinstance(state, asyncio.CancelledError)
            assert when is not None


def _check_money(ended: list[Any], drawn: dict[str, Any], course: Course) -> None:
    """What one run alone is billed is within its budget, and is told."""
    if len(ended) > 1 or not isinstance(ended[0], dict):
        return
    report, billed = ended[0]["report"], course.billed.total()
    told = report["usage"]["input"] + report["usage"]["output"]
    assert told >= billed or report["estimated"], (told, billed)
    assert report["cost"] is not None
    assert report["cost"] >= 0
    if drawn["tokens"] is not None:
        assert billed <= drawn["tokens"]


MANY = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@given(COURSES)
@settings(max_examples=300, deadline=None, suppress_health_check=MANY)
def test_any_course_of_a_few_runs(drawn: dict[str, Any]) -> None:
    run_virtual(check, drawn)


@pytest.mark.acceptance
@pytest.mark.timeout(3_600)
@given(COURSES)
@settings(max_examples=10_000, deadline=None, suppress_health_check=MANY)
def test_ten_thousand_courses(drawn: dict[str, Any]) -> None:
    run_virtual(check, drawn)
