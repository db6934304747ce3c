"""A mixture inside a graph with a state and a context of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.runtime import Runtime
from pydantic import BaseModel
from typing_extensions import TypedDict

from moa_graph import MoaGraph, Options, create_moa
from moa_graph.state import MoaState

QUESTION = {"messages": [("user", "What is 3 + 4?")]}


@dataclass
class DataContext:
    """Its fields are called like our options, and mean something else."""

    aggregator: str = "somebody"
    calls: str = "many"


class PydanticContext(BaseModel):
    aggregator: str = "somebody"
    calls: str = "many"


class DictContext(TypedDict):
    aggregator: str
    calls: str


CONTEXTS: list[tuple[type | None, Any]] = [
    (None, None),
    (DataContext, DataContext()),
    (PydanticContext, PydanticContext()),
    (DictContext, {"aggregator": "somebody", "calls": "many"}),
]


class ParentState(MessagesState):
    """Its ``turn`` and ``ledger`` are its own."""

    topic: str
    turn: int
    ledger: list[str]


def mixture(name: str) -> MoaGraph:
    return create_moa(proposers=["sim:instant", "sim:instant"], aggregator="sim:instant", layers=3, name=name)


def parent(state: type, context: type | None, *, in_sequence: bool) -> StateGraph[Any, Any, Any, Any]:
    """Two mixtures, side by side or one after the other with another question between them."""
    graph = StateGraph[Any, Any, Any, Any](state, context_schema=context)
    graph.add_node("one", mixture("first").compile())
    graph.add_node("two", mixture("second").compile())
    graph.add_edge(START, "one")
    if in_sequence:
        graph.add_node("ask", lambda _: {"messages": [("user", "What is 5 + 6?")]})
        graph.add_edge("one", "ask")
        graph.add_edge("ask", "two")
    else:
        graph.add_edge(START, "two")
    return graph


@pytest.mark.parametrize("state", [MessagesState, ParentState, MoaState])
@pytest.mark.parametrize(("context", "value"), CONTEXTS, ids=["none", "dataclass", "pydantic", "dict"])
async def test_two_mixtures_stand_side_by_side(state: type, context: type | None, value: Any) -> None:
    graph = parent(state, context, in_sequence=False).compile()

    result = await graph.ainvoke(QUESTION, context=value)

    texts = [message.text for message in result["messages"]]
    assert len(texts) == 3
    assert all("7" in text for text in texts[1:])


@pytest.mark.parametrize("state", [MessagesState, ParentState, MoaState])
@pytest.mark.parametrize(("context", "value"), CONTEXTS, ids=["none", "dataclass", "pydantic", "dict"])
async def test_two_mixtures_stand_one_after_the_other(state: type, context: type | None, value: Any) -> None:
    graph = parent(state, context, in_sequence=True).compile()

    result = await graph.ainvoke(QUESTION, context=value)

    texts = [message.text for message in result["messages"]]
    assert len(texts) == 4
    assert "7" in texts[1]
    assert "11" in texts[3]


async def test_the_parents_own_values_stay_as_they_are() -> None:
    graph = parent(ParentState, None, in_sequence=False).compile()

    result = await graph.ainvoke({**QUESTION, "topic": "sums", "turn": 5, "ledger": ["mine"]})

    assert (result["topic"], result["turn"], result["ledger"]) == ("sums", 5, ["mine"])
    assert set(result) == {"messages", "topic", "turn", "ledger"}


async def test_the_parents_context_reaches_its_own_nodes() -> None:
    seen = []

    def look(state: MessagesState, runtime: Runtime[DataContext]) -> dict[str, Any]:
        seen.append(runtime.context)
        return {}

    graph = parent(MessagesState, DataContext, in_sequence=False)
    graph.add_node("look", look).add_edge("two", "look")

    await graph.compile().ainvoke(QUESTION, context=DataContext())

    assert seen == [DataContext()]


async def test_a_parent_hands_over_options_as_an_instance_of_the_mixtures_own_class() -> None:
    inner = create_moa({"models": {"writer": "sim:instant"}, **_stages("sim:swift")})
    graph = StateGraph[Any, Any, Any, Any](MoaState, context_schema=inner.plan.options)
    graph.add_node("inner", inner.compile()).add_edge(START, "inner")

    result = await graph.compile().ainvoke(QUESTION, context=inner.plan.options(aggregator="writer"))

    assert "sim:swift" not in result["report"]["models"]


async def test_another_mixtures_options_are_none_of_this_ones() -> None:
    other = create_moa({"models": {"stranger": "sim:instant"}, **_stages("sim:instant")})
    graph = StateGraph[Any, Any, Any, Any](MoaState, context_schema=other.plan.options)
    graph.add_node("inner", mixture("inner").compile()).add_edge(START, "inner")

    result = await graph.compile().ainvoke(QUESTION, context=other.plan.options(aggregator="stranger"))

    assert "7" in result["messages"][-1].text


def _stages(writer: str) -> dict[str, Any]:
    return {"stages": [{"propose": {"slots": ["sim:instant"]}}, {"aggregate": {"slot": writer}}]}


async def test_a_parent_with_a_mixtures_state_gets_its_report() -> None:
    graph = StateGraph[Any, Any, Any, Any](MoaState)
    graph.add_node("inner", mixture("inner").compile()).add_edge(START, "inner")

    result = await graph.compile().ainvoke(QUESTION)

    assert result["report"]["mixture"] == "inner"
    assert result["report"]["calls"] == len(result["records"]) == 5


async def test_the_answers_tokens_stream_through_the_parent() -> None:
    graph = parent(MessagesState, None, in_sequence=False).compile()

    streamed: dict[str, str] = {}
    arriving: AsyncIterator[Any] = graph.astream(QUESTION, stream_mode="messages", subgraphs=True)
    async for namespace, (chunk, about) in arriving:
        assert about["langgraph_node"] in ("aggregate", "finish", "one", "two")
        if namespace and about["langgraph_node"] == "aggregate":
            streamed[chunk.id] = streamed.get(chunk.id, "") + chunk.text

    result = await graph.ainvoke(QUESTION)
    assert list(streamed.values()) == [message.text for message in result["messages"][1:]]
    assert all(text for text in streamed.values())


async def test_a_subgraphs_turns_follow_the_parents_thread() -> None:
    thread: RunnableConfig = {"configurable": {"thread_id": "one"}}
    graph = StateGraph[Any, Any, Any, Any](MessagesState)
    graph.add_node("inner", mixture("inner").compile()).add_edge(START, "inner")
    compiled = graph.compile(checkpointer=InMemorySaver())

    for question in ("What is 1 + 1?", "What is 2 + 2?"):
        result = await compiled.ainvoke({"messages": [("user", question)]}, thread)

    assert [message.type for message in result["messages"]] == ["human", "ai", "human", "ai"]
    assert "4" in result["messages"][-1].text


async def test_a_mixture_inside_a_node_takes_none_of_the_outer_runs_context() -> None:
    inner = mixture("inner").compile()

    async def call(state: Any) -> dict[str, Any]:
        return {"messages": (await inner.ainvoke({"messages": state["messages"]}))["messages"]}

    graph = StateGraph[Any, Any, Any, Any](MessagesState, context_schema=DictContext)
    graph.add_node("call", call).add_edge(START, "call")

    result = await graph.compile().ainvoke(QUESTION, context={"aggregator": "somebody", "calls": "many"})

    assert "7" in result["messages"][-1].text


def test_the_public_options_choose_at_the_root() -> None:
    graph = create_moa({"models": {"writer": "sim:instant"}, **_stages("sim:swift")}).compile()

    result = graph.invoke(QUESTION, context=Options(aggregator="writer"))

    assert result["report"]["models"] == ["sim:instant"]


class ReportingState(MessagesState):
    """Its ``records`` and ``report`` are its own, and one of them has no reducer."""

    records: list[str]
    report: str


async def test_a_parent_keeps_its_own_records_and_report() -> None:
    child = create_moa(proposers=["sim:instant"], aggregator="sim:instant", only_messages=True)
    parent = StateGraph(ReportingState)
    parent.add_node("left", child.compile())
    parent.add_node("right", child.compile())
    parent.add_edge(START, "left")
    parent.add_edge(START, "right")
    asked: Any = {**QUESTION, "records": ["mine"], "report": "mine too"}
    result = await parent.compile().ainvoke(asked)
    assert (result["records"], result["report"]) == (["mine"], "mine too")
    assert [message.text.splitlines()[-1] for message in result["messages"][1:]] == ["Answer: 7"] * 2
