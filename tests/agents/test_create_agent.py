"""``langchain.agents.create_agent`` with a mixture for its model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel

from moa_graph import ChatMoA
from moa_graph.server.simulator import RunningSimulator, running_simulator
from tests.simulated_mixture import asked, at_once, mixture_over_http
from tests.traces.ingest import ingest

QUESTION: Any = {"messages": [("user", "What is 17 * 24 + 3?")]}
THREAD: RunnableConfig = {"configurable": {"thread_id": "one"}}


def multiply(a: int, b: int) -> int:
    """Multiplies two numbers."""
    return a * b


def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


TOOLS = [add, multiply]


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator(at_once()) as running:
        yield running


@pytest.fixture
def model(simulator: RunningSimulator) -> ChatMoA:
    simulator.reset()
    return ChatMoA(mixture_over_http(simulator.base_url))


def in_process(**fields: Any) -> ChatMoA:
    return ChatMoA(proposers=["sim:instant", "sim:instant"], aggregator="sim:instant", **fields)


async def test_two_tool_calls_ask_each_proposer_once_and_the_aggregator_three_times(
    model: ChatMoA, simulator: RunningSimulator
) -> None:
    result = await create_agent(model, TOOLS).ainvoke(QUESTION)

    messages = result["messages"]
    assert [message.content for message in messages if isinstance(message, ToolMessage)] == ["408", "411"]
    assert messages[-1].text.endswith("Answer: 411")
    assert asked(simulator) == {"left": 1, "right": 1, "writer": 3}


async def test_the_reports_say_what_was_saved(model: ChatMoA) -> None:
    model.keep_advice = "in_message"
    result = await create_agent(model, TOOLS).ainvoke(QUESTION)

    reports = [one.response_metadata["report"] for one in result["messages"] if isinstance(one, AIMessage)]
    panel_cost = sum(call["cost"] for call in _panel(result["messages"][1]))
    assert [report["calls"] for report in reports] == [3, 1, 1]
    assert reports[0]["saved"] is None
    assert [report["saved"]["answers"] for report in reports[1:]] == [2, 2]
    assert [report["saved"]["cost"] for report in reports[1:]] == pytest.approx([panel_cost, panel_cost])
    assert panel_cost > 0


def _panel(message: AIMessage) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = message.response_metadata["advice"]["records"]
    return records


async def test_the_cost_in_the_trace_equals_that_of_the_reports(model: ChatMoA) -> None:
    with ingest() as sent:
        with sent.tracing():
            result = await create_agent(model, TOOLS).ainvoke(QUESTION)
        runs = sent.runs
    reports = [one.response_metadata["report"] for one in result["messages"] if isinstance(one, AIMessage)]
    priced = [run["extra"]["metadata"].get("usage_metadata", {}).get("total_cost") for run in runs.values()]
    assert len([cost for cost in priced if cost is not None]) == 5
    assert sum(cost for cost in priced if cost is not None) == pytest.approx(sum(one["cost"] for one in reports))


async def test_the_graphs_runs_stand_below_the_chat_models_own(model: ChatMoA) -> None:
    with ingest() as sent:
        with sent.tracing():
            await create_agent(model, TOOLS).ainvoke(QUESTION)
            async for _ in model.astream("What is 1 + 1?"):
                pass
        runs = sent.runs
    models = [run for run in runs.values() if (run["name"], run["run_type"]) == ("ChatMoA", "llm")]
    graphs = [run for run in runs.values() if run["name"] == "over-http"]
    assert len(models) == 4
    assert {run["parent_run_id"] for run in graphs} == {run["id"] for run in models}


@pytest.mark.slow
def test_after_a_kill_between_the_tool_calls_no_proposer_is_asked_again(
    tmp_path: Path, simulator: RunningSimulator
) -> None:
    simulator.reset()

    killed = _agent(simulator.base_url, tmp_path)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert asked(simulator) == {"left": 1, "right": 1, "writer": 2}

    resumed = _agent(simulator.base_url, tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    said = json.loads(resumed.stdout)
    assert said["answer"].endswith("Answer: 411")
    assert said["calls"] == [3, 1, 1]
    assert asked(simulator) == {"left": 1, "right": 1, "writer": 3}


def _agent(base_url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.agents.killed_agent", base_url, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ}, check=False)


@pytest.mark.parametrize("keep_advice", ["apart", "in_message"])
def test_the_advice_is_plain_json(simulator: RunningSimulator, keep_advice: Any) -> None:
    model = ChatMoA(mixture_over_http(simulator.base_url), keep_advice=keep_advice)
    result = create_agent(model, TOOLS).invoke(QUESTION)
    metadata = result["messages"][1].response_metadata
    assert json.loads(json.dumps(metadata)) == metadata


async def test_the_agents_tokens_are_those_of_its_answers_and_come_once() -> None:
    agent = create_agent(in_process(), TOOLS)
    texts: dict[str, str] = {}
    streaming: Any = agent.astream(QUESTION, stream_mode="messages")
    async for chunk, about in streaming:
        assert about["langgraph_node"] in ("model", "tools")
        if isinstance(chunk, AIMessageChunk):
            texts[chunk.id or ""] = texts.get(chunk.id or "", "") + chunk.text
    whole = await agent.ainvoke(QUESTION)
    assert [text for text in texts.values() if text] == [whole["messages"][-1].text]


async def test_subgraph_streaming_shows_nothing_of_the_mixtures_graph() -> None:
    agent = create_agent(in_process(), TOOLS)
    seen = [namespace async for namespace, _ in agent.astream(QUESTION, stream_mode="updates", subgraphs=True)]
    assert set(seen) == {()}


async def test_inner_checkpoints_never_land_in_the_agents_saver() -> None:
    saver = InMemorySaver()
    agent = create_agent(in_process(), TOOLS, checkpointer=saver)

    await agent.ainvoke(QUESTION, THREAD)
    another: Any = {"messages": [("user", "What is 2 + 2?")]}
    async for _ in agent.astream(another, THREAD, stream_mode="messages"):
        pass

    namespaces = {one.config["configurable"]["checkpoint_ns"] for one in saver.list(THREAD)}
    channels = {name for one in saver.list(THREAD) for name in one.checkpoint["channel_values"]}
    assert namespaces == {""}
    assert channels.isdisjoint({"records", "ledger", "turn", "report"})


class Sum(BaseModel):
    """A sum."""

    answer: int


@pytest.mark.parametrize("strategy", [ToolStrategy(Sum), ProviderStrategy(Sum)], ids=["tool", "provider"])
async def test_an_agents_structured_response(strategy: Any) -> None:
    agent = create_agent(in_process(), TOOLS, response_format=strategy)
    question: Any = {"messages": [("user", "What is 17 * 24?")]}
    result = await agent.ainvoke(question)
    assert result["structured_response"] == Sum(answer=408)


async def test_a_small_limit_on_the_agents_steps_is_not_the_mixtures() -> None:
    model = in_process(layers=6)
    result = await create_agent(model).ainvoke(QUESTION, {"recursion_limit": 3})
    assert "411" in result["messages"][-1].text
