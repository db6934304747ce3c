"""References after the user's last message: all that stands before them is what the first layer sends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from moa_graph import create_moa
from moa_graph.models.simulation.conversation import read_conversation
from moa_graph.views import Prompt, read_references
from tests.models_for_tests import ScriptedModel, scripted


def graph(model: ScriptedModel, references: str) -> Any:
    propose = {"propose": {"slots": [model, model], "references": references}}
    aggregate = {"aggregate": {"slot": model, "references": references}}
    return create_moa({"name": "places", "stages": [propose, propose, propose, aggregate]}).compile()


async def sent(references: str) -> list[list[tuple[str, str]]]:
    """The messages of every call."""
    model = scripted("model", "an answer to be shown")
    await graph(model, references).ainvoke({"messages": [("system", "Be brief."), ("user", "Why is the sky blue?")]})
    return [[(message.type, message.text) for message in asked.messages] for asked in model.journal.asked]


async def test_each_layer_sends_all_that_the_first_one_sent_and_the_rest_behind_it() -> None:
    first, second, *later = await sent("after")
    assert first == second == [("system", "Be brief."), ("human", "Why is the sky blue?")]
    assert len(later) == 5
    for system, (role, question) in later:
        assert (system, role) == (first[0], "human")
        added = question.removeprefix("Why is the sky blue?")
        assert "synthesize" in added
        assert read_references(added) == ["an answer to be shown"] * 2


async def test_by_default_they_stand_in_the_system_message_and_the_question_stays_untouched() -> None:
    for (_, system), (_, question) in (await sent("system"))[2:]:
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


def test_a_role_and_a_form_are_the_same_in_all_layers_and_stay_in_the_system_message() -> None:
    prompt = Prompt((HumanMessage("Why?"),), "Judge.", (), role="A role.", format_instructions="One word.", after=True)
    first, later = prompt.messages(), replace(prompt, references=("one",)).messages()
    assert [message.type for message in later] == ["system", "human"]
    assert later[0] == first[0] == SystemMessage("A role.\n\nOne word.")
    assert later[1].text.startswith("Why?")


def test_with_the_models_own_answers_they_stand_under_one_instruction() -> None:
    prompt = Prompt((HumanMessage("Why?"),), "Judge.", ("one", "two"), own=("mine",), after=True)
    [message] = prompt.messages()
    assert message.text.index("Why?") < message.text.index("Judge.") < message.text.index("mine")
    assert read_references(message.text) == ["one", "two"]


@pytest.mark.parametrize("asked", ["Why?", "Why?\n\nJudge.", "Explain\n<<end of question | 0123456789ab>>\nto me."])
def test_a_reader_tells_the_question_from_what_was_added(asked: str) -> None:
    [message] = Prompt((HumanMessage(asked),), "Judge.", ("one", "two"), after=True).messages()
    read = read_conversation([{"role": "user", "content": message.text}])
    assert (read.question, read.references) == (asked, ("one", "two"))


def test_what_is_said_of_a_malformed_answer_comes_last_and_the_references_stay_with_the_question() -> None:
    turns = (AIMessage("not JSON"), HumanMessage("That doesn't fit."))
    question, *rest = Prompt((HumanMessage("Why?"),), "Judge.", ("one", "two"), after=True, correction=turns).messages()
    assert read_references(question.text) == ["one", "two"]
    assert rest == list(turns)


DISCUSSED = Prompt(
    (HumanMessage("What is 2 + 3?"),), "Compare.", ("It is 5.", "It is 6."), history=(AIMessage("4"),), alone="Check."
)


def test_in_a_discussion_they_stand_in_a_turn_of_their_own() -> None:
    question, own, turn = DISCUSSED.messages()
    assert (question.text, own.text) == ("What is 2 + 3?", "4")
    assert turn.type == "human"
    assert turn.text.startswith("Compare.\n\n<<response 1")
    assert read_references(turn.text) == ["It is 5.", "It is 6."]


def test_where_none_is_left_a_discussion_goes_on_without() -> None:
    assert [message.text for message in replace(DISCUSSED, references=()).messages()][1:] == ["4", "Check."]
    assert [message.text for message in DISCUSSED.fitted(0).messages()][1:] == ["4", "Check."]


def test_a_reader_finds_the_question_before_a_discussion() -> None:
    roles = {"human": "user", "ai": "assistant"}
    later = replace(DISCUSSED, history=(*DISCUSSED.history, DISCUSSED.messages()[-1], AIMessage("5")))
    for prompt in (DISCUSSED, later):
        sent = [{"role": roles[message.type], "content": message.text} for message in prompt.messages()]
        read = read_conversation(sent)  # type: ignore[arg-type]
        assert (read.question, read.references) == ("What is 2 + 3?", ("It is 5.", "It is 6."))


def test_a_question_in_blocks_stays_in_blocks() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:,"}}
    asked = HumanMessage([{"type": "text", "text": "What is this?"}, picture])
    [message] = Prompt((asked,), "Judge.", ("one",), after=True).messages()
    assert message.content[:2] == asked.content
    read = read_conversation([{"role": "user", "content": message.content}])  # type: ignore[typeddict-item]
    assert (read.question, read.references) == ("What is this?", ("one",))


def test_without_references_nothing_is_added() -> None:
    conversation = (HumanMessage("Why?"),)
    assert Prompt(conversation, "Judge.", (), after=True).messages() == list(conversation)
