"""What is stored and what runs share: whole answers, with or without usage, judged in each run alike."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from moa_graph import ChatMoA, create_moa
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


async def test_an_answer_that_does_not_fit_its_response_format_is_not_stored() -> None:
    judge = scripted("judge", "I like the first.", "Still the first.", '{"ranking": [2, 1]}')
    mixture = {
        "models": {"a": {"model": scripted("a")}, "b": {"model": scripted("b")}, "judge": {"model": judge}},
        "stages": [{"propose": {"slots": ["a", "b"]}}, {"judge": {"slot": "judge"}}],
    }
    compiled = create_moa(mixture, store=":memory:").compile()

    first, second = await compiled.ainvoke(QUESTION), await compiled.ainvoke(QUESTION)

    assert (len(first["report"]["degraded"]), second["report"]["degraded"]) == (1, [])
    assert len(judge.journal.asked) == 3


async def test_formats_that_have_only_their_name_in_common_are_asked_for_anew() -> None:
    writer = scripted("writer", '{"sum": 1}', '{"product": 2}')
    model = ChatMoA(proposers=[scripted("a")], aggregator=writer, layers=2, store=":memory:")

    def asking(field: str) -> Any:
        schema = {"title": "Sum", "type": "object", "properties": {field: {"type": "integer"}}, "required": [field]}
        return model.with_structured_output(schema)

    given = [await asking(field).ainvoke("a question") for field in ("sum", "product", "sum")]

    assert given == [{"sum": 1}, {"product": 2}, {"sum": 1}]
    assert len(writer.journal.asked) == 2
