"""With a staircase the aggregator begins with the first tokens of the proposals, which then end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver

from moa_graph import create_moa
from moa_graph.errors import MixtureError
from moa_graph.graph import MoaGraph
from moa_graph.views import read_references
from tests.models_for_tests import Asked, Reply, ScriptedModel, provider_error, scripted

pytestmark = pytest.mark.virtual_clock

QUESTION: Any = {"messages": [("user", "Why is the sky blue?")]}
WORD = "blue-ish "  # with this, 9 characters, a word is about two tokens


def writing(name: str, words: int, *, delay: float = 1.0) -> ScriptedModel:
    """A model that writes a word a second."""
    return scripted(name, Reply(WORD * words, pieces=[WORD] * words, delay=delay, between=1.0))


def moa(*models: ScriptedModel, tokens: int = 8, writer: ScriptedModel | None = None, **propose: Any) -> MoaGraph:
    stages = [
        {"propose": {"slots": list(models), **propose}},
        {"aggregate": {"slot": writer or scripted("writer"), "staircase": {"tokens": tokens}}},
    ]
    return create_moa({"name": "staircase", "stages": stages})


def graph(*models: ScriptedModel, **more: Any) -> Any:
    return moa(*models, **more).compile()


async def proposals(compiled: Any) -> list[dict[str, Any]]:
    state = await compiled.ainvoke(QUESTION, output_keys=["records", "ledger"])
    found = [record for record in state["records"] if record["kind"] == "proposal"]
    return [{**record, "calls": [c for c in state["ledger"] if c["record"] == record["id"]]} for record in found]


async def test_the_aggregator_begins_once_every_proposal_has_its_first_tokens() -> None:
    writer = scripted("writer")
    quick, slow = writing("quick", 100), writing("slow", 100, delay=3)
    found = await proposals(graph(quick, slow, writer=writer))
    assert writer.journal.asked[0].at == 6  # the slow one's fourth word
    assert [(record["status"], record["text"].count("blue-ish")) for record in found] == [("live", 6), ("live", 4)]
    assert all(record["notes"] == ["the next stage began with this part of it"] for record in found)
    assert read_references(writer.journal.asked[0].messages[0].text) == [record["text"] for record in found]
    assert (quick.journal.cancelled, slow.journal.cancelled) == (1, 1)


async def test_what_was_left_is_in_the_ledger_as_cut_and_estimated() -> None:
    (record,) = await proposals(graph(writing("model", 100)))
    (call,) = record["calls"]
    assert (call["status"], call["failure"]["kind"], call["estimated"]) == ("failed", "cut", True)
    assert call["usage"]["output"] == 9  # four words


async def test_a_quorum_of_beginnings_is_enough_and_one_that_has_not_begun_is_cut() -> None:
    writer = scripted("writer")
    models = [writing("a", 100), writing("b", 100, delay=2), writing("late", 100, delay=50)]
    found = await proposals(graph(*models, writer=writer, quorum=2))
    assert writer.journal.asked[0].at == 5
    assert [record["status"] for record in found] == ["live", "live", "failed"]
    assert found[2]["failure"] == {"kind": "cut", "message": "enough proposals had begun"}


async def test_a_proposal_that_is_whole_before_counts_as_begun() -> None:
    writer = scripted("writer")
    found = await proposals(graph(scripted("short", "No.", delay=1), writing("long", 100), writer=writer))
    assert writer.journal.asked[0].at == 4
    assert (found[0]["text"], found[0]["notes"]) == ("No.", [])


async def test_a_beginning_that_is_lost_does_not_count() -> None:
    def breaks_once(asked: Asked) -> Reply:
        pieces = [WORD] * (5 if asked.number == 0 else 100)
        error = provider_error(400) if asked.number == 0 else None
        return Reply(pieces=pieces, between=1.0, delay=1.0, error=error)

    other = writing("other", 100, delay=20)
    found = await proposals(graph(scripted("breaking", breaks_once), other))
    assert [record["status"] for record in found] == ["live", "live"]


@pytest.mark.parametrize(("fails_at", "begins_at"), [(2, 5), (9, 9)], ids=["before the others", "after the others"])
async def test_a_proposal_that_has_failed_is_not_waited_for(fails_at: float, begins_at: float) -> None:
    writer = scripted("writer")
    failing = scripted("failing", Reply(delay=fails_at, error=provider_error(400)))
    found = await proposals(graph(failing, writing("a", 100), writing("b", 100, delay=2), writer=writer))
    assert writer.journal.asked[0].at == begins_at
    assert [record["status"] for record in found] == ["failed", "live", "live"]


async def test_a_quorum_waits_for_no_more_than_can_still_come() -> None:
    writer = scripted("writer")
    failing = [scripted(name, Reply(delay=2, error=provider_error(400))) for name in ("c", "d")]
    found = await proposals(graph(writing("a", 100), writing("b", 100), *failing, writer=writer, quorum=3))
    assert writer.journal.asked[0].at == 4
    assert [record["status"] for record in found] == ["live", "live", "failed", "failed"]


async def test_a_quorum_does_not_shrink_while_it_can_be_reached() -> None:
    writer = scripted("writer")
    failing = scripted("failing", Reply(delay=2, error=provider_error(400)))
    await proposals(graph(failing, writing("a", 100), writing("b", 100, delay=20), writer=writer, quorum=2))
    assert writer.journal.asked[0].at == 23


@pytest.mark.parametrize("first", ["No.", provider_error(400)], ids=["answered", "failed"])
async def test_what_had_ended_before_the_run_stopped_is_not_waited_for(first: str | Exception) -> None:
    config: RunnableConfig = {"configurable": {"thread_id": "one"}}
    writer, long = scripted("writer"), writing("long", 100, delay=3)
    resumable = moa(scripted("short", first, delay=1), long, writer=writer).compile(checkpointer=InMemorySaver())
    stopped = asyncio.create_task(resumable.ainvoke(QUESTION, config))
    await asyncio.sleep(2)
    stopped.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopped
    await resumable.ainvoke(None, config)
    assert [asked.at for asked in long.journal.asked] == [0, 2]
    assert writer.journal.asked[0].at == 8


async def test_reasoning_is_no_beginning() -> None:
    writer = scripted("writer")
    pieces = ["<think>", *["so "] * 30, "</think>", *[WORD] * 30]
    found = await proposals(graph(scripted("thinker", Reply(pieces=pieces, between=1.0)), writer=writer))
    assert asyncio.get_running_loop().time() == 35
    assert found[0]["text"] == (WORD * 4).strip()


async def test_only_the_stage_right_before_is_cut_short() -> None:
    first, second = writing("first", 20), writing("second", 20)
    stages = [
        {"propose": {"slots": [first]}},
        {"propose": {"slots": [second]}},
        {"aggregate": {"slot": scripted("writer"), "staircase": {"tokens": 8}}},
    ]
    found = await proposals(create_moa({"name": "staircase", "stages": stages}).compile())
    assert [record["text"].count("blue-ish") for record in found] == [20, 4]


async def test_without_a_staircase_proposals_are_whole() -> None:
    model = writing("model", 20)
    stages = [{"propose": {"slots": [model]}}, {"aggregate": {"slot": scripted("writer")}}]
    (record,) = await proposals(create_moa({"name": "plain", "stages": stages}).compile())
    assert (record["text"].count("blue-ish"), record["notes"]) == (20, [])


def test_without_proposals_right_before_it_a_staircase_is_refused() -> None:
    staircase = {"aggregate": {"slot": "openai:a", "staircase": {"tokens": 8}}}
    rank = {"rank": {"slots": ["openai:a", "openai:b"]}}
    for stages in ([staircase], [{"propose": {"slots": ["openai:a", "openai:b"]}}, rank, staircase]):
        with pytest.raises(MixtureError, match="staircase: it needs a stage that proposes right before it"):
            create_moa({"name": "staircase", "stages": stages})
