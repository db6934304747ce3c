"""Where the panel's advice is kept while an agent's tools run: in no message, and not lost by a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware, PIIMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command

from moa_graph import ChatMoA
from moa_graph.chat_model import kept_advice
from moa_graph.chat_model.shelf import Shelf
from tests.models_for_tests import Reply, calling, scripted

THREAD: Any = {"configurable": {"thread_id": "1"}}
QUESTION: Any = {"messages": [("user", "Whom do I ask?")]}
GO_ON: Any = Command(resume={"decisions": [{"type": "approve"}]})


def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


def panel(**fields: Any) -> tuple[Any, ChatMoA]:
    proposer = scripted("p", "I would write to ada@example.org.")
    writer = scripted("w", calling("add", a=3, b=4), calling("add", a=1, b=1), "Write to ada@example.org.")
    return proposer.journal.asked, ChatMoA(proposers=[proposer], aggregator=writer, **fields)


def restart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_advice, "_SHELF", Shelf())


def agent_with(model: BaseChatModel, saver: Any) -> Any:
    approving = HumanInTheLoopMiddleware(interrupt_on={"add": True})
    return create_agent(model, [add], middleware=[approving], checkpointer=saver)


@pytest.mark.parametrize("streamed", [False, True])
async def test_nothing_that_is_redacted_in_answers_is_left_in_any_message(streamed: bool) -> None:
    asked, model = panel()
    agent: Any = create_agent(model, [add], middleware=[PIIMiddleware("email", apply_to_output=True)])
    if streamed:
        result = [state async for state in agent.astream(QUESTION, stream_mode="values")][-1]
    else:
        result = await agent.ainvoke(QUESTION)
    assert result["messages"][-1].text == "Write to [REDACTED_EMAIL]."
    assert "ada@example.org" not in repr(result)
    assert len(asked) == 1, "what the panel said is gone by all the same"


async def test_the_panel_is_not_asked_again_after_a_restart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "threads.sqlite")) as saver:
        asked, model = panel()
        for step in (QUESTION, GO_ON, GO_ON):
            result = await agent_with(model, saver).ainvoke(step, THREAD)
            restart(monkeypatch)
    assert result["messages"][-1].type == "ai"
    assert len(asked) == 1


def test_nor_does_a_synchronous_agent_ask_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with SqliteSaver.from_conn_string(str(tmp_path / "threads.sqlite")) as saver:
        asked, model = panel()
        for step in (QUESTION, GO_ON, GO_ON):
            for _ in agent_with(model, saver).stream(step, THREAD, stream_mode="messages"):
                pass
            restart(monkeypatch)
    assert len(asked) == 1


async def test_a_thread_keeps_it_once_and_loses_it_with_the_rest() -> None:
    saver = InMemorySaver()
    _, model = panel()
    for step in (QUESTION, GO_ON, GO_ON):
        await agent_with(model, saver).ainvoke(step, THREAD)
    written = [write for one in saver.list(THREAD) for write in one.pending_writes or () if write[1] == "moa_advice"]
    assert len(written) == 1
    await saver.adelete_thread("1")
    assert list(saver.list(THREAD)) == []
    assert not saver.writes


@pytest.mark.parametrize("keep_advice", ["apart", "in_message"])
async def test_without_a_checkpointer_a_restart_asks_again_unless_messages_hold_it(
    monkeypatch: pytest.MonkeyPatch, keep_advice: Any
) -> None:
    asked, model = panel(keep_advice=keep_advice)
    called = await model.bind_tools([add]).ainvoke([HumanMessage("Whom do I ask?")])
    assert ("ada@example.org" in repr(called)) == (keep_advice == "in_message")
    restart(monkeypatch)
    await model.bind_tools([add]).ainvoke(
        [HumanMessage("Whom do I ask?"), called, ToolMessage("7", tool_call_id="call_1")]
    )
    assert len(asked) == (2 if keep_advice == "apart" else 1)


async def test_a_synchronous_call_within_an_event_loop_waits_for_no_checkpointer(tmp_path: Path) -> None:
    _, mixture = panel()
    asking = mixture.bind_tools([add])
    blocking = scripted("blocking", lambda asked: Reply(message=asking.invoke(asked.messages)), takes_tools=True)
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "threads.sqlite")) as saver:
        result = await agent_with(blocking, saver).ainvoke(QUESTION, THREAD)
    assert result["messages"][-1].tool_calls


class FailingSaver(InMemorySaver):
    """A checkpointer that refuses what LangGraph itself never writes or reads."""

    writes_advice = False

    def put_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> None:
        if not self.writes_advice and any(channel == "moa_advice" for channel, _ in writes):
            raise ConnectionError("postgresql://moa:a-long-password@db/threads is gone")
        super().put_writes(config, writes, task_id, task_path)

    def get_tuple(self, config: Any) -> Any:
        found = super().get_tuple(config)
        if any(write[1] == "moa_advice" for write in (found.pending_writes if found else None) or ()):
            raise ConnectionError("postgresql://moa:a-long-password@db/threads is gone")
        return found

    async def aput_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> None:
        self.put_writes(config, writes, task_id, task_path)

    async def aget_tuple(self, config: Any) -> Any:
        return self.get_tuple(config)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "moa_graph.chat_model.kept_advice"]


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_checkpointer_that_cannot_write_costs_no_answer(
    caplog: pytest.LogCaptureFixture, asynchronous: bool
) -> None:
    asked, model = panel()
    agent: Any = create_agent(model, [add], checkpointer=FailingSaver())
    if asynchronous:
        result = await agent.ainvoke(QUESTION, THREAD)
    else:
        result = await asyncio.to_thread(agent.invoke, QUESTION, THREAD)
    assert result["messages"][-1].text == "Write to ada@example.org."
    assert len(asked) == 1, "what this process holds is gone by"
    (warning,) = told(caplog)
    assert "in memory alone: ConnectionError" in warning
    assert "a-long-password" not in warning


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_checkpointer_that_cannot_read_has_the_panel_asked_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, asynchronous: bool
) -> None:
    saver = FailingSaver()
    saver.writes_advice = True
    asked, model = panel()
    called = await calling_in_a_node(model, saver, [HumanMessage("Whom do I ask?")], asynchronous=asynchronous)
    restart(monkeypatch)
    conversation = [HumanMessage("Whom do I ask?"), called, ToolMessage("7", tool_call_id="call_1")]
    await calling_in_a_node(model, saver, conversation, asynchronous=asynchronous)
    assert len(asked) == 2
    assert "can't be read" in told(caplog)[-1]


async def calling_in_a_node(model: ChatMoA, saver: Any, conversation: Any, *, asynchronous: bool) -> Any:
    """What the model answers in a graph that reads no thread itself."""
    answers = []

    def ask(_: Any) -> dict[str, Any]:
        answers.append(model.bind_tools([add]).invoke(conversation))
        return {}

    async def aask(_: Any) -> dict[str, Any]:
        answers.append(await model.bind_tools([add]).ainvoke(conversation))
        return {}

    builder: Any = StateGraph(MessagesState)
    builder.add_node("ask", aask if asynchronous else ask)
    builder.add_edge(START, "ask")
    graph: Any = builder.compile(checkpointer=saver)
    if asynchronous:
        await graph.ainvoke(QUESTION, THREAD)
    else:
        await asyncio.to_thread(graph.invoke, QUESTION, THREAD)
    return answers[0]


async def test_damaged_advice_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    saver = InMemorySaver()
    asked, model = panel()
    agent = agent_with(model, saver)
    await agent.ainvoke(QUESTION, THREAD)
    restart(monkeypatch)
    damaged = saver.serde.dumps_typed('{"for"')
    for writes in saver.writes.values():
        for key, (task, channel, _, path) in list(writes.items()):
            if channel == "moa_advice":
                writes[key] = (task, channel, damaged, path)
    result = await agent.ainvoke(GO_ON, THREAD)
    assert result["messages"][-1].type == "ai"
    assert len(asked) == 2


async def test_where_langgraph_tells_no_step_advice_is_in_memory_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_advice, "_STEPS", "no such name")
    asked, model = panel()
    agent = agent_with(model, InMemorySaver())
    for step in (QUESTION, GO_ON, GO_ON):
        result = await agent.ainvoke(step, THREAD)
    assert result["messages"][-1].text == "Write to ada@example.org."
    assert len(asked) == 1
