"""What each model is sent, message by message."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import BaseMessage

from moa_graph import create_moa
from moa_graph.stage_kit.instruction import AGGREGATE_AND_SYNTHESIZE
from tests.models_for_tests import ScriptedModel, provider_error, scripted

FENCED_LAYER_1 = """\
<<response 1 | 6b8583797916>>
red
<<end of response 1 | 6b8583797916>>

<<response 2 | 6b8583797916>>
green
<<end of response 2 | 6b8583797916>>"""

FENCED_LAYER_2 = """\
<<response 1 | 6e15f27c26ae>>
red again
<<end of response 1 | 6e15f27c26ae>>

<<response 2 | 6e15f27c26ae>>
green again
<<end of response 2 | 6e15f27c26ae>>"""

SHOWN_LAYER_1 = ("system", f"{AGGREGATE_AND_SYNTHESIZE}\n\n{FENCED_LAYER_1}")
SHOWN_LAYER_2 = ("system", f"{AGGREGATE_AND_SYNTHESIZE}\n\n{FENCED_LAYER_2}")


def sent(model: ScriptedModel) -> list[list[tuple[str, str]]]:
    """What a model was sent, call by call."""
    return [said(asked.messages) for asked in model.journal.asked]


def said(messages: list[BaseMessage]) -> list[tuple[str, str]]:
    return [(message.type, message.text) for message in messages]


def models() -> tuple[ScriptedModel, ScriptedModel, ScriptedModel]:
    return scripted("red", "red", "red again"), scripted("green", "green", "green again"), scripted("writer", "white")


def test_the_instruction_says_what_the_paper_says() -> None:
    for phrase in (
        "synthesize these responses into a single, high-quality response",
        "critically evaluate the information provided",
        "biased or wrong",
        "accurate",
        "comprehensive",
        "well structured",
    ):
        assert phrase in AGGREGATE_AND_SYNTHESIZE


async def test_three_layers_without_a_system_message() -> None:
    red, green, writer = models()
    graph = create_moa(proposers=[red, green], aggregator=writer, layers=3).compile()

    await graph.ainvoke({"messages": [("user", "Which colour?")]})

    question = ("human", "Which colour?")
    assert sent(red) == [[question], [SHOWN_LAYER_1, question]]
    assert sent(green) == [[question], [SHOWN_LAYER_1, question]]
    assert sent(writer) == [[SHOWN_LAYER_2, question]]


async def test_three_layers_with_a_system_message() -> None:
    red, green, writer = models()
    graph = create_moa(proposers=[red, green], aggregator=writer, layers=3).compile()

    await graph.ainvoke({"messages": [("system", "Be brief."), ("user", "Which colour?")]})

    question = ("human", "Which colour?")
    appended_1 = ("system", f"Be brief.\n\n{AGGREGATE_AND_SYNTHESIZE}\n\n{FENCED_LAYER_1}")
    appended_2 = ("system", f"Be brief.\n\n{AGGREGATE_AND_SYNTHESIZE}\n\n{FENCED_LAYER_2}")
    assert sent(red) == [[("system", "Be brief."), question], [appended_1, question]]
    assert sent(green) == sent(red)
    assert sent(writer) == [[appended_2, question]]


async def test_one_layer_is_the_aggregator_alone_with_the_conversation_as_it_is() -> None:
    writer = scripted("writer")
    graph = create_moa(aggregator=writer, layers=1).compile()

    await graph.ainvoke({"messages": [("system", "Be brief."), ("user", "Which colour?")]})

    assert sent(writer) == [[("system", "Be brief."), ("human", "Which colour?")]]


async def test_a_slot_is_told_its_role_before_the_references() -> None:
    red, green, writer = models()
    slots: list[Any] = [{"model": red, "role": "You look for mistakes."}, green]
    graph = create_moa(proposers=slots, aggregator=writer, layers=3).compile()

    await graph.ainvoke({"messages": [("user", "Which colour?")]})

    question = ("human", "Which colour?")
    told = ("system", f"You look for mistakes.\n\n{AGGREGATE_AND_SYNTHESIZE}\n\n{FENCED_LAYER_1}")
    assert sent(red) == [[("system", "You look for mistakes."), question], [told, question]]
    assert sent(green) == [[question], [SHOWN_LAYER_1, question]]


async def test_failed_proposals_are_left_out_and_the_others_numbered_anew() -> None:
    red, green, writer = (
        scripted("red", provider_error(401, "a failure")),
        scripted("green", "green"),
        scripted("writer"),
    )
    graph = create_moa(proposers=[red, green], aggregator=writer).compile()

    await graph.ainvoke({"messages": [("user", "Which colour?")]})

    [[(_, instruction), _]] = sent(writer)
    assert "<<response 1 | " in instruction
    assert "green" in instruction
    assert "response 2" not in instruction
    assert "a failure" not in instruction


async def test_a_system_message_of_blocks_keeps_them() -> None:
    """Such as the cache marks that a provider reads."""
    red, green, writer = models()
    block = {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}
    graph = create_moa(proposers=[red, green], aggregator=writer).compile()

    await graph.ainvoke({"messages": [{"role": "system", "content": [block]}, ("user", "Which colour?")]})

    [asked] = writer.journal.asked
    assert asked.messages[0].content == [
        block,
        {"type": "text", "text": f"{AGGREGATE_AND_SYNTHESIZE}\n\n{FENCED_LAYER_1}"},
    ]


async def test_what_is_no_text_in_the_users_turn_reaches_every_model() -> None:
    red, green, writer = models()
    content = [
        {"type": "text", "text": "Which colour?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]
    graph = create_moa(proposers=[red, green], aggregator=writer).compile()

    await graph.ainvoke({"messages": [{"role": "user", "content": content}]})

    assert [model.journal.asked[0].messages[-1].content for model in (red, green, writer)] == [content] * 3
