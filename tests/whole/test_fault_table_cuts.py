"""Calls that are left in the middle: streams that stop, quorums, timeouts and deadlines, over a real socket."""

from __future__ import annotations

from typing import Any

import pytest

from moa_graph import create_moa
from moa_graph.server.simulator import RunningSimulator
from tests.loopback import loopback, streamed
from tests.server.simulator_clients import counts, until
from tests.whole.accounts import assert_all_is_well
from tests.whole.mixtures_over_http import (
    ANSWER,
    PROPOSERS,
    QUESTION,
    Run,
    four_and_a_writer,
    model,
    profile,
    run,
)

UNHURRIED = {"first_token": 0.1, "tokens_a_second": None, "sigma": 0}
WORD_BY_WORD = {"first_token": 0.05, "tokens_a_second": 20, "sigma": 0}

PROFILES = [
    *(profile(name) for name in (*PROPOSERS, "w", "spare")),
    *(profile(f"unhurried-{name}", latency=UNHURRIED) for name in "abc"),
    profile("slow-d", latency=UNHURRIED, faults=[{"kind": "slow", "factor": 10}]),
    profile("word-by-word", latency=WORD_BY_WORD),
    profile("stops", faults=[{"kind": "broken_stream"}]),
    profile("stops-at-once", faults=[{"kind": "broken_stream", "after": 0}]),
]


async def test_a_proposer_ten_times_as_slow_is_cut_at_quorum_and_grace(sdk: str, simulator: RunningSimulator) -> None:
    asked = {"a": "unhurried-a", "b": "unhurried-b", "c": "unhurried-c", "d": "slow-d"}
    seen = await run(four_and_a_writer(sdk, simulator, asked, propose={"quorum": 3, "grace": 0.2}))
    await until(lambda: simulator.stats()["models"]["slow-d"]["aborted"] == 1)
    await assert_all_is_well(seen, simulator)
    assert seen.record("d")["failure"] == {"kind": "cut", "message": "the quorum was reached"}
    assert seen.answer.endswith(ANSWER)
    assert (seen.report["degraded"], seen.report["estimated"]) == ([], True)
    assert 0.3 <= seen.told("stage_finished", stage="layer_1")[0]["seconds"] < 0.9


async def test_the_connection_of_a_cut_call_closes_at_once(sdk: str, simulator: RunningSimulator) -> None:
    """Seen at the server while the run goes on: the aggregator still writes when the cut call's connection is gone."""
    asked = {"a": "unhurried-a", "b": "unhurried-b", "c": "unhurried-c", "d": "slow-d", "w": "word-by-word"}
    graph = four_and_a_writer(sdk, simulator, asked, propose={"quorum": 3})
    gone = [
        simulator.stats()["models"]["slow-d"]["aborted"]
        async for event in graph.compile().astream({"messages": [("user", QUESTION)]}, stream_mode="custom")
        if event["type"] == "call_finished" and event["slot"] == "w"
    ]
    assert gone == [1]


@pytest.mark.parametrize("partial", ["retry", "keep"])
async def test_an_answer_whose_stream_always_stops_is_what_the_mixture_says(
    sdk: str, simulator: RunningSimulator, partial: str
) -> None:
    slot = {"tries": 2, "partial": partial}
    seen = await run(four_and_a_writer(sdk, simulator, {"w": "stops"}, slot=slot))
    await assert_all_is_well(seen, simulator)
    assert (await counts(simulator, "stops"))["requests"] == 2
    record = seen.record("w")
    if partial == "keep":
        assert (record["status"], seen.report["degraded"]) == ("live", [])
        assert "broke off" in " ".join(record["notes"])
        assert seen.answer == "4 of 4 responses come to"
        assert len(seen.told("reset")) == 1
    else:
        assert record["failure"]["kind"] == "connection"
        assert "this is a's own" in seen.report["degraded"][0]
        assert len(seen.told("reset")) == 2
    assert seen.on_screen() == seen.answer


async def test_nothing_is_kept_of_a_stream_that_stops_before_its_first_token(
    sdk: str, simulator: RunningSimulator
) -> None:
    slot = {"tries": 2, "partial": "keep"}
    seen = await run(four_and_a_writer(sdk, simulator, {"w": "stops-at-once"}, slot=slot))
    await assert_all_is_well(seen, simulator)
    assert seen.record("w")["failure"]["kind"] == "connection"
    assert seen.told("reset") == []
    assert seen.on_screen() == seen.answer


async def test_what_a_stream_that_ends_in_an_error_took_is_estimated(sdk: str) -> None:
    begun = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "It is four"}, "finish_reason": None}]}
    failed = {"error": {"message": "overloaded", "type": "server_error"}}
    async with loopback(lambda _: streamed(begun, failed)) as server:
        models = {"w": model(sdk, "w", server.url)}
        stages = [{"aggregate": {"slot": {"model": "w", "tries": 1, "partial": "keep"}}}]
        seen = await run(create_moa({"name": "alone", "models": models, "stages": stages}))
    (call,) = seen.told("call_finished")
    assert call["failure"]["kind"] == "server"
    assert call["estimated"]
    assert call["usage"] == {"input": 5, "output": 3, "cached": 0}
    assert seen.answer == seen.on_screen() == "It is four"


async def test_an_aggregator_that_passes_its_timeout_while_it_writes_is_taken_back(
    sdk: str, simulator: RunningSimulator
) -> None:
    seen = await run(four_and_a_writer(sdk, simulator, {"w": "word-by-word"}, slot={"timeout": 0.4}))
    await check_what_was_taken_back(seen, simulator, "timeout")


async def test_a_fallback_writes_anew_what_a_timeout_took_back(sdk: str, simulator: RunningSimulator) -> None:
    asked = {"w": "word-by-word"}
    seen = await run(four_and_a_writer(sdk, simulator, asked, slot={"timeout": 0.4}, fallbacks=["spare"]))
    await assert_all_is_well(seen, simulator, exactly=False)
    assert seen.record("w")["model"].endswith(":spare")
    assert len(seen.told("reset")) == 1
    assert seen.on_screen() == seen.answer
    assert seen.answer.endswith(ANSWER)


async def test_a_deadline_that_ends_the_aggregator_while_it_writes_takes_its_words_back(
    sdk: str, simulator: RunningSimulator
) -> None:
    graph = with_a_deadline(sdk, simulator, partial="retry")
    await check_what_was_taken_back(await run(graph), simulator, "cut")


async def test_a_deadline_keeps_the_words_of_an_aggregator_whose_partial_is_kept(
    sdk: str, simulator: RunningSimulator
) -> None:
    seen = await run(with_a_deadline(sdk, simulator, partial="keep"))
    await assert_all_is_well(seen, simulator, exactly=False)
    assert seen.record("w")["status"] == "live"
    assert seen.told("reset") == []
    assert "".join(text for _, text in seen.pieces) == seen.answer
    assert "4 of 4 responses come to 411; none differs.".startswith(seen.answer)


def with_a_deadline(sdk: str, simulator: RunningSimulator, **slot: Any) -> Any:
    models = {"a": model(sdk, "a", simulator.base_url), "w": model(sdk, "word-by-word", simulator.base_url)}
    stages = [{"propose": {"slots": ["a"] * 4}}, {"aggregate": {"slot": {"model": "w", **slot}}}]
    return create_moa({"name": "hurried", "models": models, "stages": stages, "budget": {"deadline": 0.5}})


async def check_what_was_taken_back(seen: Run, simulator: RunningSimulator, kind: str) -> None:
    await until(lambda: simulator.stats()["models"]["word-by-word"]["aborted"] == 1)
    await assert_all_is_well(seen, simulator, exactly=False)
    assert seen.record("w")["failure"]["kind"] == kind
    assert len(seen.told("reset")) == 1
    assert seen.told("reset")[0]["message_id"] in {identity for identity, _ in seen.pieces}
    assert "own, of layer_1" in seen.report["degraded"][0]
    assert seen.on_screen() == seen.answer
