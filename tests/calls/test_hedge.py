"""An answer that is late is asked for a second time; the first of the two wins, and both are accounted."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from langchain_core.messages import AnyMessage
from pydantic import ValidationError
from typing_extensions import override

from moa_graph import create_moa
from moa_graph.description import Slot
from moa_graph.errors import MixtureError, StoreMiss
from moa_graph.graph import MoaGraph
from moa_graph.store import Entry, MemoryBackend, Mode, Store
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


async def test_the_time_in_a_providers_queue_does_not_count() -> None:
    model, other = scripted("model", delay=5), scripted("other")
    slots = [{"name": "first", "model": model}, {"name": "queued", **with_hedge(model, after=6, hedge=other)}]
    stages = [{"propose": {"slots": slots}}, {"aggregate": {"slot": scripted("writer")}}]
    limits = {"object": {"concurrency": 1}}
    await create_moa({"name": "queued", "stages": stages, "limits": limits}).compile().ainvoke(QUESTION)
    assert [asked.at for asked in model.journal.asked] == [0, 5]
    assert other.journal.asked == []


async def test_the_delay_counts_from_the_first_request() -> None:
    model, other = scripted("model", Reply(delay=4, error=provider_error(400)), delay=30), scripted("other", delay=1)
    failing = {"model": model, "hedge": {"after": 6, "model": other}}
    stages = [{"aggregate": {"slot": failing, "fallbacks": [scripted("fallback", delay=30)]}}]
    await create_moa({"name": "hedged", "stages": stages}).compile().ainvoke(QUESTION)
    assert [asked.at for asked in other.journal.asked] == [6]


class SlowBackend(MemoryBackend):
    """Takes its time to read."""

    @override
    async def get(self, key: str) -> Entry | None:
        await asyncio.sleep(1)
        return await super().get(key)


def proposing_beside_another(slot: dict[str, Any], store: Store) -> MoaGraph:
    stages = [{"propose": {"slots": [slot, scripted("b")]}}, {"aggregate": {"slot": scripted("writer")}}]
    return create_moa({"name": "stored", "stages": stages}, store=store)


async def stored(backend: MemoryBackend, mode: Mode, **more: Any) -> tuple[dict[str, Any], int]:
    """The proposal of a run with the store in which a hedge wins if it is asked, and how often both were asked."""
    slow, quick = scripted("slow", delay=30), scripted("quick", "the quick answer", delay=1)
    store = Store(backend, mode, **more)
    record, _ = await run(proposing_beside_another(with_hedge(slow, hedge=quick), store))
    return record, len(slow.journal.asked) + len(quick.journal.asked)


@pytest.mark.parametrize("missing", ["fail", "call"])
async def test_a_run_whose_hedge_won_can_be_replayed(missing: Any) -> None:
    backend = MemoryBackend()
    recorded, asked = await stored(backend, "record")
    replayed, asked_again = await stored(backend, "replay", missing=missing)
    assert (asked, asked_again) == (2, 0)
    assert (replayed["text"], replayed["model"]) == (recorded["text"], recorded["model"])
    assert replayed["notes"] == ["it is the answer of its hedge, quick, that was stored"]


async def test_a_cached_answer_of_a_hedge_is_asked_of_nobody() -> None:
    backend = MemoryBackend()
    assert [(await stored(backend, "cache"))[1] for _ in range(3)] == [2, 0, 0]


async def test_a_cached_answer_of_a_hedge_that_is_too_old_is_asked_for_again() -> None:
    backend = MemoryBackend()
    _, asked = await stored(backend, "cache")
    _, asked_again = await stored(backend, "cache", ttl=1, clock=lambda: time.time() + 2)
    assert (asked, asked_again) == (2, 2)


async def test_recording_asks_both_each_time() -> None:
    backend = MemoryBackend()
    assert [(await stored(backend, "record"))[1] for _ in range(2)] == [2, 2]


async def test_an_answer_in_time_is_replayed_though_its_hedge_is_stored_too() -> None:
    backend = MemoryBackend()
    await stored(backend, "record")
    in_time = proposing_beside_another(
        with_hedge(scripted("slow", "in time"), hedge=scripted("quick")), Store(backend, "record")
    )
    await run(in_time)
    replayed, _ = await stored(backend, "replay")
    assert (replayed["text"], replayed["notes"]) == ("in time", [])


async def test_a_replay_that_has_neither_answer_ends_with_one_store_miss_that_names_the_slots_own() -> None:
    slot = with_hedge(scripted("slow"), hedge=scripted("quick"))
    stages = [{"aggregate": {"slot": slot}}]
    graph = create_moa({"name": "stored", "stages": stages}, store=Store(MemoryBackend(), "replay"))
    with pytest.raises(StoreMiss, match="model object:slow"):
        await run(graph)


async def test_a_replay_asks_nobody_however_slow_its_store_is() -> None:
    backend = SlowBackend()
    in_time, quick = with_hedge(scripted("slow"), after=0.1, hedge=scripted("quick")), scripted("quick")
    await run(proposing_beside_another(in_time, Store(backend, "record")))
    slow = scripted("slow")
    replay = proposing_beside_another(with_hedge(slow, after=0.1, hedge=quick), Store(backend, "replay"))
    record, _ = await run(replay)
    assert (record["text"], slow.journal.asked, quick.journal.asked) == ("slow's answer", [], [])


@pytest.mark.parametrize("mode", ["cache", "record"])
async def test_the_same_model_is_asked_a_second_time_and_its_answer_stored(mode: Mode) -> None:
    backend = MemoryBackend()
    model = scripted("model", Reply("late", delay=30), Reply("again", delay=1))
    recorded, _ = await run(proposing_beside_another(with_hedge(model), Store(backend, mode)))
    assert [asked.at for asked in model.journal.asked] == [0, 2]
    replayed, _ = await run(proposing_beside_another(with_hedge(model), Store(backend, "replay")))
    assert (recorded["text"], replayed["text"], len(model.journal.asked)) == ("again", "again", 2)


async def test_a_look_into_the_store_takes_nothing_from_the_budget() -> None:
    backend = MemoryBackend()
    slow, quick = scripted("slow", delay=30), scripted("quick", "second", delay=1)
    graph = proposing(with_hedge(slow, hedge=quick), budget={"calls": 3})
    cached = create_moa(graph.mixture, store=Store(backend, "cache"))
    record, calls = await run(cached)
    assert (record["text"], len(calls)) == ("second", 2)


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
