"""What is streamed is the answer, token by token, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moa_graph import create_moa
from moa_graph.visible import VisibleStream, visible_text
from tests.models_for_tests import Reply, ScriptedModel, provider_error, scripted

QUESTION: Any = {"messages": [("user", "a question")]}
PIECES = [
    "<think>",
    "</think>",
    "<thi",
    "nk>",
    "</",
    "think",
    ">",
    "<",
    "Think>",
    " ",
    "\n",
    "\x00",
    "so",
    "2 < 3",
    "<b>",
]


@given(pieces=st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12))
def test_what_is_shown_in_the_end_is_the_visible_text(pieces: Sequence[str]) -> None:
    stream = VisibleStream()
    shown = ""
    for position, piece in enumerate([*pieces, None]):
        added = stream.finish() if piece is None else stream.feed(piece)
        if added is None:  # what was shown turned out to be reasoning: it all begins anew
            so_far = "".join(pieces[: position + 1])
            stream, shown = VisibleStream(), ""
            added = stream.feed(so_far)
            assert added is not None
            if piece is None:
                shown, added = added, stream.finish() or ""
        shown += added
    assert shown == visible_text("".join(pieces))


async def streamed(writer: ScriptedModel, *fallbacks: ScriptedModel, **slot: Any) -> tuple[list[Any], list[Any], Any]:
    """The messages and the events of a run in the order in which they came, and its result."""
    slots = [scripted("a"), scripted("b")]
    aggregate = {"slot": {"model": writer, **slot}, "fallbacks": list(fallbacks)}
    graph = create_moa({"stages": [{"propose": {"slots": slots}}, {"aggregate": aggregate}]}).compile()
    messages, events, result = [], [], None
    parts: Any = graph.astream(QUESTION, stream_mode=["messages", "custom", "values"])
    async for mode, part in parts:
        if mode == "messages":
            messages.append(part[0])
        elif mode == "custom":
            events.append(part)
        else:
            result = part
    return messages, events, result


def texts(messages: list[Any]) -> dict[str, str]:
    """What came under each identity."""
    joined: dict[str, str] = {}
    for message in messages:
        joined[message.id] = joined.get(message.id, "") + message.text
    return joined


def resets(events: list[Any]) -> list[str]:
    return [event["message_id"] for event in events if event["type"] == "reset"]


@pytest.mark.virtual_clock
async def test_only_the_answer_is_streamed_under_the_final_messages_identity() -> None:
    messages, events, result = await streamed(scripted("writer", "a b c"))
    assert texts(messages) == {result["messages"][-1].id: "a b c"}
    assert len(messages) > 1
    assert resets(events) == []


@pytest.mark.virtual_clock
async def test_a_failure_before_the_first_token_is_silent() -> None:
    messages, events, result = await streamed(scripted("writer", provider_error(401)), scripted("spare", "a b c"))
    assert texts(messages) == {result["messages"][-1].id: "a b c"}
    assert resets(events) == []


@pytest.mark.virtual_clock
@pytest.mark.parametrize("again", ["retry", "fallback"])
async def test_a_failure_after_the_first_token_takes_back_what_was_shown(again: str) -> None:
    broken = Reply(error=ConnectionError("gone"), pieces=["half ", "an "])
    writer = scripted("writer", broken, "a b c" if again == "retry" else broken)
    spares = [scripted("spare", "a b c")] if again == "fallback" else []
    messages, events, result = await streamed(writer, *spares, tries=2 if again == "retry" else 1)
    seen = texts(messages)
    final = result["messages"][-1].id
    assert seen.pop(final) == "a b c"
    assert set(seen.values()) == {"half an"}
    assert resets(events) == list(seen)


@pytest.mark.virtual_clock
async def test_a_part_of_an_answer_is_kept_where_the_slot_says_so() -> None:
    broken = Reply(error=ConnectionError("gone"), pieces=["half ", "an answer"])
    messages, events, result = await streamed(scripted("writer", broken), partial="keep", tries=1)
    assert result["messages"][-1].text == "half an answer"
    assert texts(messages) == {result["messages"][-1].id: "half an answer"}
    assert resets(events) == []
    assert "broke off" in result["records"][-1]["notes"][0]


@pytest.mark.virtual_clock
async def test_a_stream_that_hangs_is_a_timeout_and_the_part_may_be_kept() -> None:
    hanging = Reply("half an answer", between=100)
    messages, _, result = await streamed(scripted("writer", hanging), partial="keep", timeout=150)
    assert result["messages"][-1].text == "half an"
    assert texts(messages) == {result["messages"][-1].id: "half an"}


@pytest.mark.virtual_clock
async def test_reasoning_is_not_streamed() -> None:
    thinking = Reply(pieces=["<th", "ink>let me", " see</thi", "nk>the ", "answer"])
    messages, events, result = await streamed(scripted("writer", thinking))
    assert texts(messages) == {result["messages"][-1].id: "the answer"}
    assert resets(events) == []


@pytest.mark.virtual_clock
async def test_when_no_model_can_write_the_standin_answer_has_an_identity_of_its_own() -> None:
    broken = Reply(error=provider_error(400), pieces=["half ", "an "])
    messages, events, result = await streamed(scripted("writer", broken))
    assert result["messages"][-1].text == "a's answer"
    assert resets(events) == [message for message in texts(messages) if message != result["messages"][-1].id]
