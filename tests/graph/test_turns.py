"""Several turns on one thread: the history holds the user's turns and the answers, nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver

from moa_graph import InputError, RunFailed, TooFewProposals, create_moa
from moa_graph.stage_kit.instruction import AGGREGATE_AND_SYNTHESIZE
from moa_graph.views import fence
from tests.models_for_tests import ScriptedModel, provider_error, scripted

THREAD: RunnableConfig = {"configurable": {"thread_id": "one"}}


def sent(model: ScriptedModel) -> list[list[tuple[str, str]]]:
    return [[(message.type, message.text) for message in asked.messages] for asked in model.journal.asked]


def shown(*references: str) -> tuple[str, str]:
    return "system", f"{AGGREGATE_AND_SYNTHESIZE}\n\n{fence(references)}"


async def test_three_turns_show_each_model_the_answers_and_no_proposals() -> None:
    red = scripted("red", "red 1", "red 2", "red 3")
    green = scripted("green", "green 1", "green 2", "green 3")
    writer = scripted("writer", "white 1", "white 2", "white 3")
    graph = create_moa(proposers=[red, green], aggregator=writer).compile(checkpointer=InMemorySaver())

    for number in (1, 2, 3):
        result = await graph.ainvoke({"messages": [("user", f"question {number}")]}, THREAD)

    first = [("human", "question 1")]
    second = [*first, ("ai", "white 1"), ("human", "question 2")]
    third = [*second, ("ai", "white 2"), ("human", "question 3")]
    assert sent(red) == sent(green) == [first, second, third]
    assert sent(writer) == [
        [shown("red 1", "green 1"), *first],
        [shown("red 2", "green 2"), *second],
        [shown("red 3", "green 3"), *third],
    ]
    said = [(message.type, message.text) for message in result["messages"]]
    assert said == [*third, ("ai", "white 3")]


async def test_a_turn_keeps_no_record_call_or_cost_of_the_turn_before() -> None:
    graph = create_moa(proposers=["sim:instant", "sim:instant"], aggregator="sim:instant", layers=2)
    compiled = graph.compile(checkpointer=InMemorySaver())
    for question in ("What is 1 + 1?", "What is 2 + 2?", "What is 3 + 3?"):
        result = await compiled.ainvoke({"messages": [("user", question)]}, THREAD)

    state = (await compiled.aget_state(THREAD)).values
    assert result["report"]["calls"] == 3
    assert [record["id"] for record in state["records"]] == ["layer_1/instant#0", "layer_1/instant-2#0", "aggregate#0"]
    assert len(state["ledger"]) == 3


async def test_a_failed_turn_leaves_no_report_of_the_turn_before() -> None:
    red = scripted("red", "red", provider_error(401))
    graph = create_moa(proposers=[red], aggregator=scripted("writer")).compile(checkpointer=InMemorySaver())
    await graph.ainvoke({"messages": [("user", "one")]}, THREAD)

    with pytest.raises(TooFewProposals):
        await graph.ainvoke({"messages": [("user", "two")]}, THREAD)

    assert not (await graph.aget_state(THREAD)).values["report"]


async def test_another_question_follows_one_that_had_no_answer() -> None:
    red = scripted("red", provider_error(401), "red")
    writer = scripted("writer", "white")
    graph = create_moa(proposers=[red], aggregator=writer).compile(checkpointer=InMemorySaver())
    with pytest.raises(TooFewProposals):
        await graph.ainvoke({"messages": [("user", "a question that fails")]}, THREAD)

    result = await graph.ainvoke({"messages": [("user", "another question")]}, THREAD)

    assert [message.text for message in result["messages"]] == ["a question that fails", "another question", "white"]
    assert sent(red)[-1] == [("human", "a question that fails"), ("human", "another question")]


async def test_the_same_question_asked_again_asks_only_the_failed_slots() -> None:
    red, green = scripted("red", "red"), scripted("green", provider_error(401), "green")
    writer = scripted("writer", "white")
    mixture = {
        "stages": [{"propose": {"slots": [{"model": red}, {"model": green}]}}, {"aggregate": {"slot": writer}}],
        "min_live": 2,
    }
    graph = create_moa(mixture).compile(checkpointer=InMemorySaver())
    with pytest.raises(TooFewProposals, match=r"layer_1/green: auth"):
        await graph.ainvoke({"messages": [("user", "Which colour?")]}, THREAD)

    result = await graph.ainvoke({"messages": [("user", "Which colour?")]}, THREAD)

    assert [len(model.journal.asked) for model in (red, green, writer)] == [1, 2, 1]
    assert sent(writer) == [[shown("red", "green"), ("human", "Which colour?")]]
    assert [message.text for message in result["messages"]] == ["Which colour?", "white"]


async def test_a_turn_may_be_asked_in_several_messages() -> None:
    red = scripted("red")
    graph = create_moa(proposers=[red], aggregator=scripted("writer")).compile()

    await graph.ainvoke({"messages": [("user", "one"), ("user", "two")]})

    assert sent(red) == [[("human", "one"), ("human", "two")]]


async def test_a_conversation_from_elsewhere_goes_on() -> None:
    red = scripted("red")
    graph = create_moa(proposers=[red], aggregator=scripted("writer", "white")).compile()
    history: list[Any] = [("user", "one"), ("ai", "an answer of before"), ("user", "two")]

    result = await graph.ainvoke({"messages": history})

    assert sent(red) == [[("human", "one"), ("ai", "an answer of before"), ("human", "two")]]
    assert [message.text for message in result["messages"]] == ["one", "an answer of before", "two", "white"]


async def test_a_turn_without_a_new_question_is_refused_and_changes_nothing() -> None:
    red = scripted("red")
    graph = create_moa(proposers=[red], aggregator=scripted("writer")).compile(checkpointer=InMemorySaver())
    await graph.ainvoke({"messages": [("user", "one")]}, THREAD)

    with pytest.raises(InputError, match="add the user's next message"):
        await graph.ainvoke({"messages": []}, THREAD)

    assert len(red.journal.asked) == 1
    assert len((await graph.aget_state(THREAD)).values["messages"]) == 2


async def test_a_lone_aggregator_that_fails_may_be_asked_again() -> None:
    writer = scripted("writer", provider_error(401), "white")
    graph = create_moa(aggregator=writer, layers=1).compile(checkpointer=InMemorySaver())
    with pytest.raises(RunFailed, match="aggregate: no model gave an answer"):
        await graph.ainvoke({"messages": [("user", "Which colour?")]}, THREAD)

    result = await graph.ainvoke({"messages": [("user", "Which colour?")]}, THREAD)

    assert [message.text for message in result["messages"]] == ["Which colour?", "white"]
