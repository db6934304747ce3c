"""References after the user's last message: what stands before them is the same in every layer."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from moa_graph import create_moa
from moa_graph.views import Prompt, read_references
from tests.models_for_tests import ScriptedModel, scripted


def graph(model: ScriptedModel, references: str) -> Any:
    propose = {"propose": {"slots": [model, model], "references": references}}
    aggregate = {"aggregate": {"slot": model, "references": references}}
    return create_moa({"name": "places", "stages": [propose, propose, propose, aggregate]}).compile()


async def sent(references: str) -> list[list[tuple[str, str]]]:
    """The messages of every call that was shown references."""
    model = scripted("model", "an answer to be shown")
    await graph(model, references).ainvoke({"messages": [("system", "Be brief."), ("user", "Why is the sky blue?")]})
    return [[(message.type, message.text) for message in asked.messages] for asked in model.journal.asked[2:]]


async def test_what_stands_before_the_references_is_the_same_in_every_layer() -> None:
    before = set()
    for (_, system), (_, question) in await sent("after"):
        shown = question.removeprefix("Why is the sky blue?")
        assert shown != question
        assert read_references(shown) == ["an answer to be shown"] * 2
        before.add((system, "Why is the sky blue?"))
    assert len(before) == 1


async def test_by_default_they_stand_in_the_system_message_and_the_question_stays_untouched() -> None:
    for (_, system), (_, question) in await sent("system"):
        assert read_references(system) == ["an answer to be shown"] * 2
        assert question == "Why is the sky blue?"


async def test_simulated_models_read_them_in_either_place() -> None:
    for references in ("system", "after"):
        models = [scripted("a", "Answer: 5"), scripted("b", "Answer: 5")]
        described = {
            "name": "places",
            "stages": [{"propose": {"slots": models}}, {"aggregate": {"slot": "sim:steady", "references": references}}],
        }
        state = await create_moa(described).compile().ainvoke({"messages": [("user", "What is 2+2?")]})
        assert "5" in state["messages"][-1].text


def test_after_a_tools_result_they_stand_with_the_question() -> None:
    asked = HumanMessage("Why?")
    call = AIMessage("", tool_calls=[{"name": "look", "args": {}, "id": "1"}])
    conversation = (SystemMessage("Be brief."), asked, call, ToolMessage("blue", tool_call_id="1"))
    messages = Prompt(conversation, "Judge.", ("one", "two"), after=True).messages()
    assert [message.type for message in messages] == ["system", "human", "ai", "tool"]
    assert read_references(messages[1].text) == ["one", "two"]
    assert asked.content == "Why?"


def test_without_references_nothing_is_added() -> None:
    conversation = (HumanMessage("Why?"),)
    assert Prompt(conversation, "Judge.", (), after=True).messages() == list(conversation)
