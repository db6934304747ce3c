"""What LangGraph Studio does with a thread, over the API of the graph: look back, edit, fork, run on."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import StateSnapshot

from moa_graph import InputError, create_moa

THREAD: RunnableConfig = {"configurable": {"thread_id": "one"}}
QUESTION = {"messages": [("user", "What is 17 * 24 + 3?")]}

Graph = CompiledStateGraph[Any, Any, Any, Any]


@pytest.fixture(params=["memory", "sqlite"])
async def saver(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BaseCheckpointSaver[Any]]:
    """Savers that take nothing but what a strict serializer knows."""
    strict = JsonPlusSerializer(allowed_msgpack_modules=[])
    if request.param == "memory":
        yield InMemorySaver(serde=strict)
        return
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "checkpoints.sqlite")) as sqlite:
        sqlite.serde = strict
        yield sqlite


@pytest.fixture
async def graph(saver: BaseCheckpointSaver[Any]) -> Graph:
    """A mixture that has answered one question."""
    proposers = ["sim:instant", "sim:instant", "sim:instant"]
    compiled = create_moa(proposers=proposers, aggregator="sim:instant").compile(checkpointer=saver)
    await compiled.ainvoke(QUESTION, THREAD)
    return compiled


async def before(graph: Graph, node: str) -> StateSnapshot:
    """The checkpoint of the thread's history at which ``node`` comes next."""
    return [snapshot async for snapshot in graph.aget_state_history(THREAD) if node in snapshot.next][-1]


async def test_the_history_shows_every_superstep(graph: Graph) -> None:
    steps = [snapshot.next async for snapshot in graph.aget_state_history(THREAD)]

    assert steps == [
        (),
        ("finish",),
        ("aggregate",),
        ("layer_1/join",),
        ("layer_1/instant", "layer_1/instant-2", "layer_1/instant-3"),
        ("prepare",),
        ("__start__",),
    ]


@pytest.mark.parametrize("whole", [True, False], ids=["full records", "id and text"])
@pytest.mark.parametrize("node", ["layer_1/join", None])
async def test_the_answer_follows_edited_proposals(graph: Graph, whole: bool, node: str | None) -> None:
    fork = await before(graph, "aggregate")
    edits = [{**(record if whole else {"id": record["id"]}), "text": "Answer: 99"} for record in fork.values["records"]]

    edited = await graph.aupdate_state(fork.config, {"records": edits}, as_node=node)
    result = await graph.ainvoke(None, edited)

    assert "99" in result["messages"][-1].text
    assert "411" not in result["messages"][-1].text


async def test_one_edited_proposal_is_outvoted_by_the_others(graph: Graph) -> None:
    fork = await before(graph, "aggregate")

    edit = {"id": "layer_1/instant#0", "text": "Answer: 99"}
    edited = await graph.aupdate_state(fork.config, {"records": [edit]}, as_node="layer_1/join")
    result = await graph.ainvoke(None, edited)

    assert "411" in result["messages"][-1].text
    assert result["records"][0]["text"] == "Answer: 99"
    assert [record["id"] for record in result["records"]] == [
        "layer_1/instant#0",
        "layer_1/instant-2#0",
        "layer_1/instant-3#0",
        "aggregate#0",
    ]


async def test_an_edit_before_the_join_counts_too(graph: Graph) -> None:
    fork = await before(graph, "layer_1/join")
    edits = [{"id": record["id"], "text": "Answer: 99"} for record in fork.values["records"]]

    edited = await graph.aupdate_state(fork.config, {"records": edits}, as_node="layer_1/instant")
    result = await graph.ainvoke(None, edited)

    assert "99" in result["messages"][-1].text


async def test_a_proposal_can_be_taken_out(graph: Graph) -> None:
    fork = await before(graph, "aggregate")
    edits = [{"id": f"layer_1/instant{number}#0", "status": "failed"} for number in ("", "-2")]

    edited = await graph.aupdate_state(fork.config, {"records": edits}, as_node="layer_1/join")
    result = await graph.ainvoke(None, edited)

    assert "1 of 1 responses" in result["messages"][-1].text
    assert result["report"]["stages"][0]["live"] == 1


async def test_running_on_from_a_fork_doubles_neither_ledger_nor_answer(graph: Graph) -> None:
    for node in ("aggregate", "layer_1/instant"):
        fork = await before(graph, node)
        result = await graph.ainvoke(None, fork.config)

        state = (await graph.aget_state(THREAD)).values
        assert [message.type for message in result["messages"]] == ["human", "ai"]
        assert len(state["ledger"]) == len({call["id"] for call in state["ledger"]}) == 4
        assert result["report"]["calls"] == 4


async def test_the_first_run_stays_as_it_was_beside_its_fork(graph: Graph) -> None:
    end = await graph.aget_state(THREAD)
    fork = await before(graph, "aggregate")
    edits = [{"id": record["id"], "text": "Answer: 99"} for record in fork.values["records"]]

    await graph.ainvoke(None, await graph.aupdate_state(fork.config, {"records": edits}, as_node="layer_1/join"))

    assert (await graph.aget_state(end.config)).values == end.values


async def test_an_edit_of_a_record_that_isnt_there_is_refused(graph: Graph) -> None:
    fork = await before(graph, "aggregate")

    for edit in ({"id": "layer_1/nobody#0", "text": "x"}, {"text": "x"}):
        with pytest.raises(InputError, match="the id of a record that is there: layer_1/instant#0, layer_1/instant-2"):
            await graph.aupdate_state(fork.config, {"records": [edit]}, as_node="layer_1/join")


async def test_the_next_turn_starts_from_the_edited_answer(graph: Graph) -> None:
    fork = await before(graph, "aggregate")
    edits = [{"id": record["id"], "text": "Answer: 99"} for record in fork.values["records"]]
    await graph.ainvoke(None, await graph.aupdate_state(fork.config, {"records": edits}, as_node="layer_1/join"))

    result = await graph.ainvoke({"messages": [("user", "What is 1 + 1?")]}, THREAD)

    assert [message.type for message in result["messages"]] == ["human", "ai", "human", "ai"]
    assert "99" in result["messages"][1].text
    assert "2" in result["messages"][-1].text
    assert result["report"]["calls"] == 4


async def test_checkpoints_hold_nothing_that_a_serializer_warns_of(
    graph: Graph, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        state = await graph.aget_state(THREAD)
        await graph.ainvoke({"messages": [("user", "What is 1 + 1?")]}, THREAD)

    assert caplog.records == []
    plain = {key: value for key, value in state.values.items() if key != "messages"}
    assert _only_json(plain)


def _only_json(value: Any) -> bool:
    if isinstance(value, dict):
        return all(type(key) is str and _only_json(each) for key, each in value.items())
    if isinstance(value, list):
        return all(_only_json(each) for each in value)
    return value is None or type(value) in (str, int, float, bool)
