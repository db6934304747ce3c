"""What a provider gives beside the text of the answer reaches the message: reasoning, citations, further fields."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, HumanMessage

from moa_graph import ChatMoA, create_moa
from tests.models_for_tests import ScriptedModel, scripted

BLOCKS: list[Any] = [
    {"type": "thinking", "thinking": "Rayleigh, I think.", "signature": "c2lnbmVk"},
    {"type": "text", "text": "Rayleigh scattering.", "citations": [{"type": "char_location", "cited_text": "blue"}]},
]
BESIDE = {"reasoning_content": "It scatters.", "refusal": None}


def writer(**fields: Any) -> ScriptedModel:
    replies = [AIMessage(BLOCKS, additional_kwargs=BESIDE), AIMessage("And so on.")]
    return scripted("w", *replies, **fields)


def mixture(last: ScriptedModel) -> dict[str, Any]:
    other = scripted("p", AIMessage("a proposal"))
    models = {"p": {"model": other}, "w": {"model": last}}
    return {"name": "mine", "models": models, "stages": [{"propose": {"slots": ["p"]}}, {"aggregate": {"slot": "w"}}]}


async def test_the_graphs_answer_is_as_its_provider_gave_it() -> None:
    result = await create_moa(mixture(writer())).compile().ainvoke({"messages": [("user", "Why?")]})
    answer = result["messages"][-1]
    assert (answer.content, answer.text, answer.additional_kwargs) == (BLOCKS, "Rayleigh scattering.", BESIDE)


async def test_the_chat_models_answer_too() -> None:
    answer = await ChatMoA(mixture(writer())).ainvoke("Why?")
    assert (answer.content, answer.additional_kwargs) == (BLOCKS, BESIDE)
    assert [block["type"] for block in answer.content_blocks]


async def test_a_streamed_answer_holds_them_with_its_last_chunk() -> None:
    chunks = [chunk async for chunk in ChatMoA(mixture(writer())).astream("Why?")]
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole = whole + chunk
    assert whole.text == "Rayleigh scattering."
    assert BLOCKS[0] in whole.content
    assert whole.additional_kwargs == BESIDE


async def test_a_stop_text_ends_the_text_alone() -> None:
    answer = await ChatMoA(mixture(writer())).ainvoke("Why?", stop=[" scattering"])
    assert answer.content == "Rayleigh"


async def test_on_the_next_turn_only_the_writer_is_shown_its_own_blocks() -> None:
    described = mixture(last := writer())
    model = ChatMoA(described)
    answer = await model.ainvoke("Why?")
    await model.ainvoke([HumanMessage("Why?"), answer, HumanMessage("And?")])
    other = described["models"]["p"]["model"]
    said = [message for message in other.journal.asked[1].messages if message.type == "ai"]
    assert [(message.content, message.additional_kwargs) for message in said] == [("Rayleigh scattering.", {})]
    assert [message.content for message in last.journal.asked[1].messages if message.type == "ai"] == [BLOCKS]
