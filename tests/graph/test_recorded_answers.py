"""Real answers of twelve models to all questions of GSM8K's test split, as proposals."""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from moa_graph import create_moa

RECORDINGS = Path(__file__).parents[2] / "../shared/data/zeroeval_gsm8k/gsm8k.jsonl.gz"

AT_ONCE = 16

pytestmark = pytest.mark.skipif(
    not RECORDINGS.exists(), reason="the recorded answers (../shared/data/zeroeval_gsm8k) aren't on this machine"
)


def recorded() -> list[dict[str, Any]]:
    with gzip.open(RECORDINGS, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


async def ask_all(questions: list[str], models: list[str]) -> list[dict[str, Any]]:
    """The state at the end of a run for each question."""
    proposers = [f"recorded:{RECORDINGS}#{model}" for model in models]
    graph = create_moa(proposers=proposers, aggregator="sim:instant").compile()
    room = asyncio.Semaphore(AT_ONCE)

    async def ask(question: str) -> dict[str, Any]:
        async with room:
            state: dict[str, Any] = await graph.ainvoke({"messages": [("user", question)]})
            return state

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask(question)) for question in questions]
    return [task.result() for task in tasks]


@pytest.mark.slow
async def test_every_proposal_is_the_recorded_text_and_all_questions_take_less_than_a_minute(
    record_property: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """To the last character: none is empty, longer than the stage's cap, or holds a reasoning block."""
    entries = recorded()
    models = list(entries[0]["outputs"])
    assert (len(entries), len(models)) == (1319, 12)

    started, worked = time.perf_counter(), time.process_time()
    states = await ask_all([entry["question"] for entry in entries], models)
    seconds, busy = time.perf_counter() - started, time.process_time() - worked

    for entry, state in zip(entries, states, strict=True):
        proposals = [record for record in state["records"] if record["kind"] == "proposal"]
        assert [record["text"] for record in proposals] == [entry["outputs"][model] for model in models]
        assert [record["status"] for record in proposals] == ["live"] * 12
        assert state["report"]["calls"] == 13
    record_property("seconds", seconds)
    with capsys.disabled():
        sys.stdout.write(f"\n1,319 questions, 13 calls each: {seconds:.1f} s, of which {busy:.1f} s of CPU\n")
    assert seconds < 60, f"{busy:.1f} s of it was CPU; the rest went to whatever else ran on this machine"


async def test_a_question_that_wasnt_recorded_fails_its_slot_by_name() -> None:
    [state] = await ask_all([recorded()[0]["question"]], ["gpt-4o-2024-08-06"])
    assert state["report"]["stages"][0]["failed"] == {}

    graph = create_moa(
        proposers=[f"recorded:{RECORDINGS}#gpt-4o-2024-08-06", "sim:instant"], aggregator="sim:instant"
    ).compile()
    result = await graph.ainvoke({"messages": [("user", "A question of nobody")]})

    failed = result["report"]["stages"][0]["failed"]
    assert list(failed) == ["gpt-4o-2024-08-06#0"]
    assert "holds no answer of gpt-4o-2024-08-06" in failed["gpt-4o-2024-08-06#0"]["message"]
