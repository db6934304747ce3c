"""Images and files go to the models that take them; the others are told of them in words."""

from __future__ import annotations

from typing import Any, cast

import pytest
from langchain_core.language_models import ModelProfile
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from moa_graph import ChatMoA, create_moa
from tests.models_for_tests import ScriptedModel, calling, scripted

IMAGE = {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"}
QUESTION = HumanMessage([{"type": "text", "text": "What is this?"}, IMAGE])


def model(name: str, **profile: Any) -> ScriptedModel:
    known = cast(ModelProfile, profile)
    return scripted(name, AIMessage("A pixel."), profile=known)


@pytest.mark.parametrize(
    ("block", "entry"),
    [
        (IMAGE, "image_inputs"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}, "image_inputs"),
        ({"type": "audio", "base64": "AAAA", "mime_type": "audio/wav"}, "audio_inputs"),
        ({"type": "file", "base64": "AAAA", "mime_type": "application/pdf"}, "pdf_inputs"),
    ],
)
async def test_each_model_is_shown_what_its_profile_says_it_takes(block: dict[str, Any], entry: str) -> None:
    seeing, blind = model("seeing", **{entry: True}), model("blind", max_input_tokens=1000)
    question = HumanMessage([{"type": "text", "text": "What is this?"}, block])
    answer = await ChatMoA(proposers=[seeing, blind], aggregator=seeing).ainvoke([question])
    assert seeing.journal.asked[0].messages[-1].content == question.content
    note = f"[Here stands a part of type {block['type']}, which you can't be shown.]"
    assert blind.journal.asked[0].messages[-1].content[1] == {"type": "text", "text": note}
    notes = answer.response_metadata["report"]["stages"][0]["notes"]
    assert notes == {"blind#0": [f"it wasn't shown a part of type {block['type']}: it takes none"]}


async def test_a_model_whose_profile_is_not_known_is_shown_everything() -> None:
    unknown = scripted("unknown", AIMessage("A pixel."))
    await create_moa(proposers=["sim:instant"], aggregator=unknown).compile().ainvoke({"messages": [QUESTION]})
    assert unknown.journal.asked[0].messages[-1].content == QUESTION.content


async def test_the_length_of_an_images_encoding_is_not_the_conversations() -> None:
    seeing = model("seeing", image_inputs=True, max_input_tokens=8_000)
    large = HumanMessage([{"type": "text", "text": "What is this?"}, {**IMAGE, "base64": "A" * 1_000_000}])
    answer = await ChatMoA(proposers=[seeing], aggregator=seeing).ainvoke([large])
    assert answer.text == "A pixel."
    assert answer.response_metadata["report"]["degraded"] == []


async def test_an_image_that_a_tool_gave_is_named_to_those_who_see_text() -> None:
    proposer = model("p", image_inputs=True)
    result = ToolMessage([{"type": "text", "text": "Here."}, IMAGE], tool_call_id="call_1")
    await ChatMoA(proposers=[proposer], aggregator="sim:instant").ainvoke(
        [HumanMessage("Draw."), calling("draw"), result]
    )
    assert "draw({})\nHere.\n(image)" in proposer.journal.asked[0].messages[-1].text
