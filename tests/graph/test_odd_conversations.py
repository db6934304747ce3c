"""Conversations and edits that nobody expects end in an answer, or in words."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import ChatMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver

from moa_graph import create_moa
from moa_graph.errors import InputError
from moa_graph.stages.judge import Comparison, Ranking
from tests.loopback import completion, loopback
from tests.models_for_tests import scripted

QUESTION: Any = {"messages": [("user", "a question")]}


def two_layers(**more: Any) -> Any:
    layers = [{"propose": {"slots": [scripted("a"), scripted("b")]}}, {"propose": {"slots": [scripted("c")], **more}}]
    return create_moa({"stages": [*layers, {"aggregate": {"slot": scripted("w")}}]})


@pytest.mark.virtual_clock
@pytest.mark.parametrize("references", ["before", "after"])
@pytest.mark.parametrize("message", [ChatMessage(role="user", content="why?"), ToolMessage("42", tool_call_id="gone")])
async def test_a_question_in_another_form_reaches_every_layer(message: Any, references: str) -> None:
    more = {"references": "after"} if references == "after" else {}
    state = await two_layers(**more).compile().ainvoke({"messages": [message]})
    assert state["report"]["degraded"] == []
    assert [record["status"] for record in state["records"]] == ["live"] * 4


async def test_half_a_pair_of_surrogates_is_sent_as_a_question_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    async with loopback(lambda _: completion("fine")) as server:
        models = {"a": {"model": "openai:gpt-4o", "base_url": server.url}}
        graph = create_moa({"models": models, "stages": [{"aggregate": {"slot": "a"}}]}).compile()
        state = await graph.ainvoke({"messages": [("user", "half a pair: \ud83d, é 🙂")]})
        assert state["messages"][-1].text == "fine"
        assert server.asked[0].body["messages"][-1]["content"] == "half a pair: ?, é 🙂"


FIRST = "layer_1/a#0"


@pytest.mark.virtual_clock
@pytest.mark.parametrize(
    "edit",
    [
        {"records": [{"id": "new", "order": [0, 0, 0], "text": "x"}]},
        {"records": [{"id": 5}]},
        {"records": [{"id": FIRST, "order": None}]},
        {"records": [{"id": FIRST, "order": ["x"]}]},
        {"records": [{"id": FIRST, "status": 5}]},
        {"records": [None]},
        {"records": 5},
        {"turn": "x"},
        {"turn": {"grants": 5}},
        {"turn": {"grants": {"aggregate#0": {"calls": "x"}}}},
        {"turn": {"degraded": 5}},
        {"turn": {"active": "x"}},
        {"turn": {"routes": []}},
        {"ledger": [{"id": "x", "order": [0]}]},
        {"ledger": 5},
    ],
)
async def test_an_edit_that_cannot_be_says_why(edit: Any) -> None:
    graph = two_layers().compile(checkpointer=InMemorySaver(), interrupt_before=["aggregate"])
    config: Any = {"configurable": {"thread_id": "1"}}
    await graph.ainvoke(QUESTION, config)
    with pytest.raises(InputError, match=r"can't be edited|give a list of records"):
        await graph.aupdate_state(config, edit)
    assert (await graph.ainvoke(None, config))["messages"][-1].text == "w's answer"


def test_one_reading_of_verdicts_for_all_ways_of_judging() -> None:
    assert Ranking.model_validate({"best": 2}).ranking == [2]
    assert Comparison.model_validate({"ranking": [2, 1]}).best == 2
