"""An answer that is late is asked for a second time; the first of the two wins, and both are accounted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.messages import AnyMessage
from pydantic import ValidationError

from moa_graph import create_moa
from moa_graph.description import Slot
from moa_graph.errors import MixtureError
from moa_graph.graph import MoaGraph
from tests.models_for_tests import Asked, Reply, ScriptedModel, provider_error, scripted

pytestmark = pytest.mark.virtual_clock

QUESTION: Any = {"messages": [("user", "What is 2+2?")]}


def with_hedge(
    model: ScriptedModel, *, after: float = 2, hedge: ScriptedModel | None = None, slot: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {"model": model, "hedge": {"after": after, "model": hedge}, **(slot or {})}


def proposing(slot: dict[str, Any], **more: Any) -> MoaGraph:
    return create_moa(
        {
            "name": "hedged",
            "stages": [{"propose": {"slots": [slot]}}, {"aggregate": {"slot": scripted("writer")}}],
            **more,
        }
    )


async def run(graph: MoaGraph) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The proposal and the calls that it took."""
    state = await graph.compile().ainvoke(QUESTION, output_keys=["records", "ledger"])
    record = next(record for record in state["records"] if record["kind"] == "proposal")
    return record, [call for call in state["ledger"] if call["record"] == record["id"]]


async def test_the_first_answer_wins_and_the_other_call_is_cut_and_estimated() -> None:
    slow, quick = scripted("slow", delay=30), scripted("quick", "the quick answer", delay=1)
    record, calls = await run(proposing(with_hedge(slow, hedge=quick)))
    assert (record["status"], record["text"], record["seconds"]) == ("live", "the quick answer", 3)
    assert record["notes"] == ["it was late: quick was asked as well after 2 s"]
    assert [(call["attempt"], call["status"], call["estimated"]) for call in calls] == [
        (1, "failed", True),
        (2, "live", False),
    ]
    assert calls[0]["failure"] == {"kind": "cut", "message": "the other call of its slot answered first"}
    assert record["usage"]["input"] == sum(call["usage"]["input"] for call in calls)
    assert (slow.journal.cancelled, slow.journal.in_flight) == (1, 0)


async def test_an_answer_in_time_is_not_asked_for_again() -> None:
    model, other = scripted("model", "in time", delay=1), scripted("other")
    record, calls = await run(proposing(with_hedge(model, hedge=other)))
    assert (record["text"], record["notes"], len(calls), other.journal.asked) == ("in time", [], 1, [])


async def test_the_first_call_may_still_win() -> None:
    model, other = scripted("model", "the first", delay=3), scripted("other", delay=30)
    record, calls = await run(proposing(with_hedge(model, hedge=other)))
    assert (record["text"], record["seconds"]) == ("the first", 3)
    assert [call["status"] for call in calls] == ["live", "failed"]
    assert other.journal.cancelled == 1


async def test_without_another_model_the_same_one_is_asked_again() -> None:
    model = scripted("model", Reply("late", delay=30), Reply("again", delay=1))
    record, _ = await run(proposing(with_hedge(model)))
    assert record["text"] == "again"
    assert [asked.at for asked in model.journal.asked] == [0, 2]


async def test_a_call_that_fails_leaves_the_answer_to_the_other() -> None:
    model = scripted("model", Reply(delay=3, error=provider_error(400)))
    record, calls = await run(proposing(with_hedge(model, hedge=scripted("other", "saved", delay=9))))
    assert (record["text"], record["seconds"]) == ("saved", 11)
    assert [call["status"] for call in calls] == ["failed", "live"]


async def test_if_both_fail_the_first_ones_failure_is_told() -> None:
    first = scripted("first", Reply(delay=3, error=provider_error(400, "the first one's words")))
    second = scripted("second", Reply(delay=3, error=provider_error(400, "the second one's words")))
    graph = create_moa(
        {
            "name": "hedged",
            "stages": [
                {"propose": {"slots": [with_hedge(first, hedge=second), scripted("other")]}},
                {"aggregate": {"slot": scripted("writer")}},
            ],
        }
    )
    record, calls = await run(graph)
    assert record["failure"] == {"kind": "bad_request", "message": "HTTP 400: the first one's words"}
    assert len(calls) == 2


async def test_both_calls_end_with_their_round() -> None:
    slow, slower = scripted("slow", delay=30), scripted("slower", delay=60)
    graph = create_moa(
        {
            "name": "hedged",
            "stages": [
                {"propose": {"slots": [with_hedge(slow, hedge=slower), scripted("quick", delay=5)], "quorum": 1}},
                {"aggregate": {"slot": scripted("writer")}},
            ],
        }
    )
    record, calls = await run(graph)
    assert asyncio.get_running_loop().time() == 5
    assert record["failure"] == {"kind": "cut", "message": "the quorum was reached"}
    assert [call["failure"]["kind"] for call in calls] == ["cut", "cut"]
    assert (slow.journal.cancelled, slower.journal.cancelled) == (1, 1)


async def test_a_cancelled_run_leaves_neither_call() -> None:
    slow, slower = scripted("slow", delay=30), scripted("slower", delay=60)
    task = asyncio.create_task(run(proposing(with_hedge(slow, hedge=slower))))
    await asyncio.sleep(10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [(model.journal.in_flight, model.journal.cancelled) for model in (slow, slower)] == [(0, 1), (0, 1)]


async def test_the_budget_pays_for_both_calls_or_makes_one() -> None:
    model, other = scripted("model", "late", delay=30), scripted("other", "second", delay=1)
    enough, calls = await run(proposing(with_hedge(model, hedge=other), budget={"calls": 3}))
    assert (enough["text"], len(calls)) == ("second", 2)
    too_little, calls = await run(proposing(with_hedge(model, hedge=other), budget={"calls": 2}))
    assert (too_little["text"], len(calls)) == ("late", 1)


async def streamed(graph: MoaGraph) -> list[AnyMessage]:
    """The messages of the answer's stream, piece by piece."""
    pieces: Any = graph.compile().astream(QUESTION, stream_mode="messages")
    return [message async for message, _ in pieces]


async def test_an_answer_that_is_being_streamed_has_won() -> None:
    writer = scripted("writer", Reply("one two three", between=5))
    other = scripted("other")
    graph = create_moa({"name": "streamed", "stages": [{"aggregate": {"slot": with_hedge(writer, hedge=other)}}]})
    pieces = [message.text for message in await streamed(graph)]
    assert "".join(pieces) == "one two three"
    assert other.journal.asked == []


async def test_the_first_token_of_a_late_stream_cuts_the_second_call() -> None:
    writer, other = scripted("writer", Reply("one two", delay=3, between=5)), scripted("other", delay=4)
    graph = create_moa({"name": "streamed", "stages": [{"aggregate": {"slot": with_hedge(writer, hedge=other)}}]})
    pieces = [message.text for message in await streamed(graph)]
    assert "".join(pieces) == "one two"
    assert (len(other.journal.asked), other.journal.cancelled) == (1, 1)


async def test_the_second_calls_answer_comes_whole() -> None:
    writer, other = scripted("writer", delay=30), scripted("other", "a whole answer", delay=1)
    graph = create_moa({"name": "streamed", "stages": [{"aggregate": {"slot": with_hedge(writer, hedge=other)}}]})
    assert [message.text for message in await streamed(graph)] == ["a whole answer"]


async def test_one_record_is_told_of() -> None:
    graph = proposing(with_hedge(scripted("slow", delay=30), hedge=scripted("quick", delay=1)))
    events = [event async for event in graph.compile().astream(QUESTION, stream_mode="custom")]
    told = [event for event in events if event["type"] == "record_finished" and event["kind"] == "proposal"]
    started = [event["attempt"] for event in events if event["type"] == "call_started" and event["stage"] == "layer_1"]
    assert ([event["status"] for event in told], started) == (["live"], [1, 2])


async def test_each_sample_has_a_hedge_of_its_own() -> None:
    def late_at_first(asked: Asked) -> Reply:
        return Reply(f"answer {asked.number}", delay=30 if asked.number < 2 else 1)

    model = scripted("model", late_at_first)
    graph = proposing(with_hedge(model, slot={"samples": 2}))
    state = await graph.compile().ainvoke(QUESTION)
    assert sorted(r["text"] for r in state["records"] if r["kind"] == "proposal") == ["answer 2", "answer 3"]


def test_a_hedge_after_no_time_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"hedge\.after"):
        Slot.model_validate({"model": "openai:any", "hedge": {"after": 0}})


def test_an_unknown_model_is_refused_with_its_field() -> None:
    with pytest.raises(MixtureError, match=r"stages\.0\.propose"):
        create_moa(
            {
                "name": "x",
                "stages": [
                    {"propose": {"slots": [{"model": "openai:a", "hedge": {"after": 1, "model": "nobody"}}]}},
                    {"aggregate": {"slot": "openai:a"}},
                ],
            }
        )
