"""What is stored and what runs share: whole answers, with or without usage, judged in each run alike."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from moa_graph import create_moa
from moa_graph.store import open_store
from tests.models_for_tests import Reply, ScriptedModel, scripted

pytestmark = pytest.mark.virtual_clock

QUESTION: Any = {"messages": [("user", "a question")]}


async def test_an_empty_answer_that_two_runs_share_is_one_in_neither() -> None:
    writer = scripted("writer", Reply(" ", delay=1))
    compiled = create_moa(proposers=[scripted("a", "good")], aggregator=writer, store=":memory:").compile()
    states = await asyncio.gather(compiled.ainvoke(QUESTION), compiled.ainvoke(QUESTION))
    assert [state["messages"][-1].text for state in states] == ["good"] * 2
    assert all(state["report"]["degraded"] for state in states)


async def test_a_refused_proposal_that_two_runs_share_is_live_in_neither() -> None:
    silent = scripted("silent", Reply("", delay=1))
    compiled = create_moa(
        proposers=[silent, scripted("b")], aggregator=scripted("writer"), layers=2, store=":memory:"
    ).compile()
    states = await asyncio.gather(compiled.ainvoke(QUESTION), compiled.ainvoke(QUESTION))
    failures = [[record["failure"]["kind"] for record in s["records"] if record["failure"]] for s in states]
    assert failures == [["empty"]] * 2


async def test_an_answer_without_usage_is_stored_as_every_whole_one_is(tmp_path: Path) -> None:
    models: list[ScriptedModel] = [scripted(name, Reply(f"{name} said", usage=None)) for name in ("a", "writer")]

    async def run(mode: Any) -> dict[str, Any]:
        async with open_store(tmp_path / "calls.jsonl", mode) as store:
            graph = create_moa(proposers=models[:1], aggregator=models[1], layers=2, store=store)
            return dict(await graph.compile().ainvoke(QUESTION))

    recorded, replayed = await run("record"), await run("replay")
    assert replayed["messages"][-1].text == recorded["messages"][-1].text == "writer said"
    assert [len(model.journal.asked) for model in models] == [1, 1]
    assert recorded["report"]["estimated"]
