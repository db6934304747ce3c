"""Many runs at once, refusals in masses, forks and changes of the event loop: every call ends well all the same."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from moa_graph import create_moa
from moa_graph.graph import MoaGraph
from moa_graph.models.simulation import Profile
from moa_graph.server.simulator import RunningSimulator, running_simulator
from tests.models.simulation_requests import instant
from tests.models_for_tests import Asked, Reply, ScriptedModel, provider_error, scripted

QUESTION: Any = {"messages": [("user", "What is 17 * 24 + 3?")]}


def over_http(simulator: RunningSimulator, **more: Any) -> MoaGraph:
    """Three proposers of one provider, and one of them writes."""
    models = {name: {"model": f"openai:{name}", "base_url": simulator.base_url} for name in ("a", "b", "c")}
    stages: list[Any] = [{"propose": {"slots": ["a", "b", "c"]}}, {"aggregate": {"slot": "a"}}]
    return create_moa({"name": "storm", "models": models, "stages": stages, **more})


def refusing_at_first(name: str, requests: int) -> Profile:
    return instant(name, faults=[{"kind": "status", "status": 429, "retry_after": 0.05, "first": requests}])


async def many(graph: MoaGraph, runs: int) -> list[dict[str, Any]]:
    compiled = graph.compile()
    return list(await asyncio.gather(*(compiled.ainvoke(QUESTION) for _ in range(runs))))


def refused_above(capacity: int) -> ScriptedModel:
    """A provider that has so many calls in flight, and refuses the rest for a second."""

    def reply(_: Asked) -> Reply:
        if model.journal.in_flight >= capacity:
            return Reply(error=provider_error(429, retry_after=1))
        return Reply("an answer", delay=1)

    model = scripted("limited", reply)
    return model


async def test_in_a_storm_of_429s_every_call_ends_well() -> None:
    profiles = {"a": instant("a"), "b": refusing_at_first("b", 40), "c": instant("c")}
    with running_simulator(profiles) as simulator:
        answers = await many(over_http(simulator), 30)
        counted = simulator.stats()["total"]
    assert [answer["report"]["degraded"] for answer in answers] == [[]] * 30
    assert all(record["status"] == "live" for answer in answers for record in answer["records"])
    assert counted["statuses"] == {"200": 120, "429": 40}
    assert counted["in_flight"] == 0


@pytest.mark.virtual_clock
async def test_a_provider_with_room_for_few_is_not_asked_in_vain() -> None:
    model = refused_above(10)
    graph = create_moa(proposers=[model], aggregator=scripted("writer"), layers=2)
    answers = await many(graph, 200)
    assert all(record["status"] == "live" for answer in answers for record in answer["records"])
    refusals = len(model.journal.asked) - 200
    assert refusals < 260
    assert asyncio.get_running_loop().time() < 200 / 10 * 3


@pytest.mark.virtual_clock
async def test_after_a_storm_as_many_are_in_flight_again() -> None:
    peak = 0

    def reply(asked: Asked) -> Reply:
        nonlocal peak
        if asked.at < 3:
            return Reply(delay=0.05, error=provider_error(429, retry_after=3))  # all are in flight by then
        peak = max(peak, model.journal.in_flight + 1)
        return Reply(delay=1)

    model = scripted("recovering", reply)
    await many(create_moa(proposers=[model], aggregator=scripted("writer"), layers=2), 400)
    assert peak > 50


@pytest.mark.slow
async def test_two_thousand_runs_start_at_once_on_one_loop() -> None:
    models = [scripted(name, delay=0.5) for name in ("a", "b", "writer")]
    graph = create_moa(proposers=models[:2], aggregator=models[2], layers=2)
    compiled = graph.compile()
    reports = [answer["report"] for answer in await asyncio.gather(*(compiled.ainvoke(QUESTION) for _ in range(2_000)))]
    assert {(report["calls"], report["failed_calls"], len(report["degraded"])) for report in reports} == {(3, 0, 0)}
    assert [model.journal.answered for model in models] == [2_000] * 3
    assert len(graph.plan.rounds) == 0


def test_one_graph_is_asked_on_two_event_loops_one_after_the_other() -> None:
    with running_simulator({name: instant(name) for name in "abc"}) as simulator:
        graph = over_http(simulator, limits={"openai": {"concurrency": 2}})
        for _ in range(2):
            answers = asyncio.run(many(graph, 10))
            assert all(answer["report"]["failed_calls"] == 0 for answer in answers)
        assert simulator.stats()["total"]["completed"] == 80


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system doesn't fork")
def test_a_forked_child_goes_on_asking_and_so_does_its_parent() -> None:
    script = """
        import asyncio, os, sys
        from moa_graph import create_moa

        models = {"a": {"model": "openai:a", "base_url": sys.argv[1]}}
        stages = [{"propose": {"slots": ["a", "a"]}}, {"aggregate": {"slot": "a"}}]
        graph = create_moa({"name": "forked", "models": models, "stages": stages}).compile()
        question = {"messages": [("user", "What is 17 * 24 + 3?")]}

        def asked():
            assert "411" in graph.invoke(question)["messages"][-1].text
            assert "411" in asyncio.run(graph.ainvoke(question))["messages"][-1].text

        asked()
        child = os.fork()
        if child == 0:
            try:
                asked()
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        asked()
    """
    with running_simulator({"a": instant("a")}) as simulator:
        ran = subprocess.run(
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(script), simulator.base_url],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        assert simulator.stats()["total"]["completed"] == 18
