"""The panel's progress, told to whoever watches the agent that a mixture is the model of."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent

from moa_graph import ChatMoA
from tests.models_for_tests import Reply, scripted

WHY: Any = {"messages": [("user", "Why?")]}
TOLD = ["run_started", "call_started", "call_finished", "record_finished", "stage_finished", "run_finished"]


def agent() -> Any:
    writer = scripted("w", Reply(pieces=["Because", " of", " it."]))
    return create_agent(ChatMoA(proposers=[scripted("a"), scripted("b")], aggregator=writer, name="mine"), [])


async def test_the_panels_events_come_through_the_agents_custom_stream() -> None:
    told = [event async for event in agent().astream(WHY, stream_mode="custom")]
    assert set(TOLD) == {event["type"] for event in told}
    assert (told[0]["type"], told[-1]["type"]) == ("run_started", "run_finished")
    assert [event["slot"] for event in told if event["type"] == "record_finished"] == ["a", "b", "w"]


def test_without_an_event_loop_too() -> None:
    told = list(agent().stream(WHY, stream_mode="custom"))
    assert set(TOLD) == {event["type"] for event in told}


async def test_beside_the_tokens_of_the_answer() -> None:
    parts: list[Any] = [part async for part in agent().astream(WHY, stream_mode=["custom", "messages"])]
    kinds = [mode for mode, _ in parts]
    assert {event["type"] for mode, event in parts if mode == "custom"} == set(TOLD)
    assert "".join(part[0].text for mode, part in parts if mode == "messages") == "Because of it."
    assert kinds.index("custom") < kinds.index("messages") < len(kinds) - 1 - kinds[::-1].index("custom")


async def test_they_are_custom_events_to_who_reads_events() -> None:
    events = [event async for event in agent().astream_events(WHY, version="v2")]
    told = [event["data"]["type"] for event in events if event["event"] == "on_custom_event" and event["name"] == "moa"]
    assert set(told) == set(TOLD)


async def test_nobody_is_told_where_nobody_watches() -> None:
    assert (await agent().ainvoke(WHY))["messages"][-1].text == "an answer"
    assert (await ChatMoA(proposers=[scripted("a")], aggregator=scripted("w")).ainvoke("Why?")).text == "w's answer"


@pytest.mark.filterwarnings("ignore")  # the adapter's own
async def test_ag_ui_shows_the_answer_and_the_panels_progress() -> None:
    ag_ui = pytest.importorskip("ag_ui_langgraph", reason="pip install ag-ui-langgraph")
    from ag_ui.core import RunAgentInput, UserMessage
    from langgraph.checkpoint.memory import InMemorySaver

    model = ChatMoA(proposers=[scripted("a")], aggregator=scripted("w", Reply(pieces=["Because", " of", " it."])))
    graph = create_agent(model, [], checkpointer=InMemorySaver())
    asked = RunAgentInput(
        thread_id="1",
        run_id="1",
        state={},
        messages=[UserMessage(id="u", role="user", content="Why?")],
        tools=[],
        context=[],
        forwarded_props={},
    )
    events = [event async for event in ag_ui.LangGraphAgent(name="mine", graph=graph).run(asked)]
    types = [str(getattr(event.type, "value", event.type)) for event in events]
    deltas = [event.delta for event in events if "TEXT_MESSAGE_CONTENT" in str(event.type)]
    told = [event.value["type"] for event in events if "CUSTOM" in str(event.type) and event.name == "moa"]
    assert types[-1] == "RUN_FINISHED"
    assert "".join(deltas) == "Because of it."
    assert set(told) == set(TOLD)


@pytest.mark.filterwarnings("ignore")  # the adapter's own
async def test_ag_ui_drives_a_mixtures_own_graph() -> None:
    ag_ui = pytest.importorskip("ag_ui_langgraph", reason="pip install ag-ui-langgraph")
    from ag_ui.core import RunAgentInput, UserMessage
    from langgraph.checkpoint.memory import InMemorySaver

    from moa_graph import create_moa

    mixture = create_moa(proposers=[scripted("a")], aggregator=scripted("w", "Because.")).compile(
        checkpointer=InMemorySaver()
    )
    asked = RunAgentInput(
        thread_id="1",
        run_id="1",
        state={},
        messages=[UserMessage(id="u", role="user", content="Why?")],
        tools=[],
        context=[],
        forwarded_props={},
    )
    events = [event async for event in ag_ui.LangGraphAgent(name="mine", graph=mixture).run(asked)]
    assert "RUN_FINISHED" in str(events[-1].type)
    (last,) = [event for event in events if "MESSAGES_SNAPSHOT" in str(event.type)][-1:]
    assert last.messages[-1].content == "Because."
