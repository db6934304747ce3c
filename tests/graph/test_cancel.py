"""Nothing is left of a cancelled run: no task, no request, no round, no timer."""

from __future__ import annotations

import asyncio
import gc
from typing import Any, cast

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver

from moa_graph import create_moa
from moa_graph.graph import MoaGraph
from moa_graph.models.clients import of_running_loop
from tests.loopback import completion, loopback_in_thread
from tests.models_for_tests import Reply, ScriptedModel, provider_error, scripted
from tests.virtual_clock import run_virtual

QUESTION: Any = {"messages": [("user", "a question")]}


def mixture(delay: float) -> tuple[MoaGraph, list[ScriptedModel]]:
    """Two layers with a quorum, retries, samples and a fallback, so that a run waits in every way there is."""
    models = [scripted(f"s{number}", delay=delay * number) for number in range(3)]
    models.append(scripted("retried", provider_error(500), "at last", delay=delay))
    models.append(scripted("slow", Reply(delay=50 * delay)))
    writer, fallback = scripted("writer", provider_error(401), delay=delay), scripted("fallback", delay=delay)
    slots = [*models[:2], {"model": models[2], "samples": 2}, *models[3:]]
    propose = {"slots": slots, "quorum": 4, "grace": delay, "timeout": 20}
    aggregate = {"slot": writer, "fallbacks": [fallback]}
    graph = create_moa(
        {"stages": [{"propose": propose}, {"propose": propose}, {"aggregate": aggregate}], "budget": {"deadline": 60}}
    )
    return graph, [*models, writer, fallback]


def nothing_is_at_work(models: list[ScriptedModel]) -> None:
    loop = cast(Any, asyncio.get_running_loop())
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
    assert [model.model for model in models if model.journal.in_flight] == []
    assert [timer for timer in loop._scheduled if not timer.cancelled()] == []


async def no_round_is_left(graph: MoaGraph) -> None:
    """A run is let go of when the event loop lets go of its cancelled timers, at the time for which they were set."""
    await asyncio.sleep(100)
    gc.collect()
    assert len(graph.plan.rounds) == 0


async def cancelled(run: asyncio.Task[Any]) -> None:
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


# LangGraph makes the coroutines of nodes that wait for their turn beforehand, and drops them on cancellation.
unstarted_nodes = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")

CONFIGS = {
    "plain": RunnableConfig(),
    "one at a time": RunnableConfig(max_concurrency=1),
    "two at a time": RunnableConfig(max_concurrency=2),
}


@unstarted_nodes
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("checkpointer", [None, InMemorySaver()], ids=["no checkpoints", "checkpoints"])
def test_nothing_is_left_of_a_run_that_is_cancelled_at_any_moment(
    config: RunnableConfig, checkpointer: BaseCheckpointSaver[str] | None
) -> None:
    graph, models = mixture(delay=1)
    compiled = graph.compile(checkpointer=checkpointer)

    async def run(moment: float) -> None:
        thread: RunnableConfig = {**config, "configurable": {"thread_id": str(moment)}}
        task = asyncio.create_task(compiled.ainvoke(QUESTION, thread))
        await asyncio.sleep(moment)
        if not task.done():
            await cancelled(task)
        nothing_is_at_work(models)

    async def runs() -> None:
        for moment in range(60):
            await run(moment / 4)
        await no_round_is_left(graph)

    run_virtual(runs)


@unstarted_nodes
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("checkpointer", [None, InMemorySaver()], ids=["no checkpoints", "checkpoints"])
def test_nothing_is_left_of_a_run_that_is_cancelled_at_any_await(
    config: RunnableConfig, checkpointer: BaseCheckpointSaver[str] | None
) -> None:
    graph, models = mixture(delay=0)
    compiled = graph.compile(checkpointer=checkpointer)

    async def run(awaits: int) -> bool:
        thread: RunnableConfig = {**config, "configurable": {"thread_id": str(awaits)}}
        task = asyncio.create_task(compiled.ainvoke(QUESTION, thread))
        for _ in range(awaits):
            await asyncio.sleep(0)
        if task.done():
            return True
        await cancelled(task)
        nothing_is_at_work(models)
        return False

    async def runs() -> None:
        for awaits in range(1000):
            if await run(awaits):
                assert awaits > 20, "the run was over before it could be cancelled"
                break
        await no_round_is_left(graph)

    run_virtual(runs)


@pytest.mark.virtual_clock
async def test_nothing_is_left_of_a_run_that_waits_for_a_person_before_a_join() -> None:
    graph, models = mixture(delay=1)
    config: Any = {"configurable": {"thread_id": "one"}}
    compiled = graph.compile(checkpointer=InMemorySaver(), interrupt_before=["layer_1/join"])
    await compiled.ainvoke(QUESTION, config)
    nothing_is_at_work(models)
    await no_round_is_left(graph)


def test_no_client_is_left_open() -> None:
    with loopback_in_thread(lambda _: completion("four")) as server:

        async def runs() -> tuple[Any, int]:
            model = {"model": "openai:any", "base_url": server.url}
            graph = create_moa(
                {
                    "models": {"served": model},
                    "stages": [{"propose": {"slots": ["served"] * 3}}, {"aggregate": {"slot": "served"}}],
                }
            ).compile()
            await graph.ainvoke(QUESTION)
            client = of_running_loop().transport(server.url).pooled
            stopped = 0
            for awaits in range(0, 120, 4):
                task = asyncio.create_task(graph.ainvoke(QUESTION))
                for _ in range(awaits):
                    await asyncio.sleep(0)
                stopped += task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            return client, stopped

        client, stopped = asyncio.run(runs())
        assert client.is_closed
        assert stopped >= 5
