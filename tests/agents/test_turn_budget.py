"""A budget holds for all the calls of one user's turn, and the panel sleeps through the turn's summaries."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import SummarizationMiddleware
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata

from moa_graph import BudgetTooSmall, ChatMoA
from tests.models_for_tests import ScriptedModel, calling, scripted


def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


def looping(calls: int) -> ScriptedModel:
    """A writer that calls a tool so often before it answers."""
    replies = [calling("add", identity=f"call_{number}", a=number, b=1) for number in range(calls)]
    return scripted("w", *replies, AIMessage("done"))


def mixture(writer: ScriptedModel, budget: dict[str, Any], **fields: Any) -> ChatMoA:
    models = {"p": {"model": scripted("p"), "max_tokens": 10}, "w": {"model": writer, "max_tokens": 10}}
    stages = [{"propose": {"slots": ["p"]}}, {"aggregate": {"slot": "w"}}]
    return ChatMoA({"name": "mine", "models": models, "stages": stages, "budget": budget}, **fields)


def run(model: ChatMoA, question: str = "Go", **given: Any) -> dict[str, Any]:
    agent: Any = create_agent(model, [add], **given)
    result: dict[str, Any] = agent.invoke({"messages": [("user", question)]})
    return result


def test_the_calls_of_a_turn_are_limited_together() -> None:
    writer = looping(9)
    with pytest.raises(BudgetTooSmall, match=r"budget\.calls: this turn's calls have already spent 4 of 4"):
        run(mixture(writer, {"calls": 4}))
    assert len(writer.journal.asked) == 3, "one call of the proposer, three of the writer"


def test_a_turn_within_its_budget_ends_well() -> None:
    result = run(mixture(looping(2), {"calls": 4}))
    assert result["messages"][-1].text == "done"
    assert result["messages"][-1].response_metadata["turn"]["calls"] == 4


def test_the_next_turn_has_a_budget_of_its_own() -> None:
    model = mixture(looping(0), {"calls": 2})
    first = run(model)["messages"]
    again: Any = create_agent(model, [add])
    assert again.invoke({"messages": [*first, HumanMessage("And now?")]})["messages"][-1].text == "done"


@pytest.mark.parametrize("limit", [{"tokens": 4000}, {"deadline": 1}])
def test_tokens_and_seconds_count_over_the_turn_too(limit: dict[str, Any]) -> None:
    (name,) = limit
    spent = {"calls": 1, "tokens": 4000, "usd": 0.0, "deadline": 1.0}
    metadata = {"mixture": "mine", "turn": spent}
    call = AIMessage("", tool_calls=calling("add", a=1, b=2).tool_calls, response_metadata=metadata)
    said = [HumanMessage("Go"), call, ToolMessage("3", tool_call_id="call_1")]
    with pytest.raises(BudgetTooSmall, match=rf"budget\.{name}"):
        mixture(looping(0), limit).invoke(said)
    assert mixture(looping(0), limit).invoke([*said, AIMessage("3"), HumanMessage("Again")]).text == "done"


def test_dollars_count_over_the_turn_too() -> None:
    price = {"input": 0.0, "output": 100_000.0}
    used = UsageMetadata(input_tokens=10, output_tokens=10, total_tokens=20)
    steps = [calling("add", identity=f"call_{number}", a=number, b=1) for number in range(9)]
    writer = scripted("w", *(step.model_copy(update={"usage_metadata": used}) for step in steps))
    models = {
        "p": {"model": scripted("p"), "max_tokens": 10, "price": {"input": 0.0, "output": 0.0}},
        "w": {"model": writer, "max_tokens": 10, "price": price},
    }
    stages = [{"propose": {"slots": ["p"]}}, {"aggregate": {"slot": "w"}}]
    model = ChatMoA({"name": "mine", "models": models, "stages": stages, "budget": {"usd": 3.0}})
    with pytest.raises(BudgetTooSmall, match=r"budget\.usd: this turn's calls have already spent 3 of 3"):
        run(model)
    assert len(writer.journal.asked) == 3


def test_a_summary_in_mid_turn_does_not_wake_the_panel() -> None:
    proposer, writer = scripted("p"), looping(5)
    model = ChatMoA(proposers=[proposer], aggregator=writer, name="mine")
    summarizer = GenericFakeChatModel(messages=iter([AIMessage("a summary")] * 20))
    summarizing = SummarizationMiddleware(summarizer, trigger=("messages", 5), keep=("messages", 2))
    result = run(model, middleware=[summarizing])
    texts = [message.text for message in result["messages"]]
    assert result["messages"][-1].text == "done"
    assert any("a summary" in text for text in texts)
    assert len(proposer.journal.asked) == 1
    assert result["messages"][-1].response_metadata["turn"]["calls"] == 7


@pytest.mark.parametrize("said", ["3", -5, float("nan"), float("-inf"), None, True, [3]])
def test_what_a_message_says_was_spent_neither_ends_in_an_error_nor_enlarges_the_budget(said: Any) -> None:
    called = calling("add", a=1, b=1)
    called.response_metadata = {"mixture": "mine", "turn": dict.fromkeys(("calls", "tokens", "usd", "deadline"), said)}
    conversation = [HumanMessage("Go"), called, ToolMessage("2", tool_call_id="call_1")]
    answer = mixture(scripted("w", AIMessage("done")), {"calls": 2}).invoke(conversation)
    assert answer.response_metadata["turn"]["calls"] == 2
