"""An answer is given whole, however long it is; only what other models are shown of it is cut."""

from __future__ import annotations

from typing import Any

import pytest

from moa_graph import create_moa
from tests.models_for_tests import Asked, Reply, scripted

pytestmark = pytest.mark.virtual_clock

QUESTION: Any = {"messages": [("user", "a question")]}
LONG = "word " * 20_000 + "\nAnswer: 7"


async def answer_of(*stages: Any) -> tuple[str, dict[str, Any]]:
    state = await create_moa({"stages": list(stages)}).compile().ainvoke(QUESTION)
    return state["messages"][-1].text, state


async def test_the_written_answer_keeps_its_middle() -> None:
    text, state = await answer_of({"aggregate": {"slot": scripted("writer", LONG)}})
    assert text == LONG
    assert state["report"]["degraded"] == []


@pytest.mark.parametrize("choosing", ["vote", "judge"])
async def test_a_chosen_answer_keeps_its_middle(choosing: str) -> None:
    judge = scripted("judge", '{"ranking": [1, 2]}')
    stage: Any = {"vote": {}} if choosing == "vote" else {"judge": {"slot": judge}}
    text, _ = await answer_of({"propose": {"slots": [scripted("a", LONG), scripted("b", LONG)]}}, stage)
    assert text == LONG
    assert all(len(asked.messages[0].text) < 70_000 for asked in judge.journal.asked)


async def test_a_proposal_that_stands_in_for_the_answer_keeps_its_middle() -> None:
    broken = scripted("writer", Reply(error=ValueError("no")))
    text, state = await answer_of({"propose": {"slots": [scripted("a", LONG)]}}, {"aggregate": {"slot": broken}})
    assert text == LONG
    assert state["report"]["degraded"]


async def test_other_models_are_shown_head_and_tail() -> None:
    def seen(asked: Asked) -> Reply:
        shown = asked.messages[0].text
        return Reply("cut" if len(shown) < 3_000 and "left out" in shown and "Answer: 7" in shown else "whole")

    text, state = await answer_of(
        {"propose": {"slots": [scripted("a", LONG)], "cap": 1_000}}, {"aggregate": {"slot": scripted("writer", seen)}}
    )
    assert text == "cut"
    assert state["records"][0]["text"] == LONG


async def test_what_no_answer_can_be_as_long_as_is_cut_and_told() -> None:
    text, state = await answer_of({"aggregate": {"slot": scripted("writer", "x" * 3_000_000)}})
    assert len(text) == 1_000_000
    assert "longer than 1,000,000 characters" in state["records"][0]["notes"][0]
    assert state["messages"][-1].response_metadata["finish_reason"] == "length"
