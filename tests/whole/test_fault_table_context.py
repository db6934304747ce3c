"""A conversation that is too long for a model's window, which nobody told the mixture."""

from __future__ import annotations

from moa_graph.errors import TooFewProposals
from moa_graph.server.simulator import RunningSimulator
from tests.server.simulator_clients import counts
from tests.whole.accounts import assert_all_is_well
from tests.whole.mixtures_over_http import ANSWER, PROPOSERS, QUESTION, four_and_a_writer, profile, run

MAX_TOKENS = 200
EARLIER = [("user", "Tell me of the sea. " * 20), ("assistant", "It is wide. " * 20)]
CONVERSATION = [*EARLIER, ("user", QUESTION)]
ESSAY = [("user", "Write an essay on mixtures of models, and on why they help those who build with models.")]

PROFILES = [
    *(profile(name) for name in (*PROPOSERS, "w", "spare")),
    *(profile(f"tiny-{name}", window=MAX_TOKENS + 2) for name in (*PROPOSERS, "w")),
    profile("small", window=MAX_TOKENS + 60),
    profile("narrow", window=MAX_TOKENS + 700),
]
"""The question alone is more than a tiny window holds; a small one holds it without what was said before; a narrow one
holds a part of the references."""


async def test_one_proposer_fails_after_one_fitted_retry(sdk: str, simulator: RunningSimulator) -> None:
    seen = await run(four_and_a_writer(sdk, simulator, {"b": "tiny-b"}), CONVERSATION)
    await assert_all_is_well(seen, simulator)
    assert seen.record("b")["failure"]["kind"] == "context_overflow"
    assert (await counts(simulator, "tiny-b"))["requests"] == 2
    assert seen.answer.endswith(ANSWER)
    assert (seen.report["stages"][0]["live"], seen.report["degraded"]) == (3, [])


async def test_all_proposers_fail_after_one_fitted_retry_each(sdk: str, simulator: RunningSimulator) -> None:
    seen = await run(four_and_a_writer(sdk, simulator, {name: f"tiny-{name}" for name in PROPOSERS}), CONVERSATION)
    await assert_all_is_well(seen, simulator)
    assert isinstance(seen.error, TooFewProposals)
    for name in PROPOSERS:
        assert f"layer_1/{name}: context_overflow: " in str(seen.error)
        assert (await counts(simulator, f"tiny-{name}"))["requests"] == 2


async def test_what_leaves_nothing_to_cut_is_not_asked_again(sdk: str, simulator: RunningSimulator) -> None:
    seen = await run(four_and_a_writer(sdk, simulator, {"b": "tiny-b"}))
    await assert_all_is_well(seen, simulator)
    assert seen.record("b")["failure"]["kind"] == "context_overflow"
    assert (await counts(simulator, "tiny-b"))["requests"] == 1


async def test_the_fitted_retry_leaves_out_the_oldest_turns(sdk: str, simulator: RunningSimulator) -> None:
    seen = await run(four_and_a_writer(sdk, simulator, {"b": "small"}), CONVERSATION)
    await assert_all_is_well(seen, simulator)
    assert seen.record("b")["notes"] == ["the oldest turns were left out to fit the model's window"]
    assert (await counts(simulator, "small"))["requests"] == 2
    assert seen.report["stages"][0]["live"] == 4


async def test_the_aggregator_answers_from_fewer_references(sdk: str, simulator: RunningSimulator) -> None:
    slots = {"samples": 3}
    seen = await run(four_and_a_writer(sdk, simulator, {"w": "narrow"}, proposers=slots), ESSAY)
    await assert_all_is_well(seen, simulator)
    assert (await counts(simulator, "narrow"))["requests"] == 2
    (record,) = seen.told("record_finished", stage="aggregate")
    assert record["notes"] == ["references were shortened to fit the model's window"]
    assert "narrow would now read 2 responses" in seen.answer
    assert (seen.report["stages"][0]["live"], seen.report["degraded"]) == (12, [])


async def test_a_fallback_answers_where_no_prompt_fits(sdk: str, simulator: RunningSimulator) -> None:
    seen = await run(four_and_a_writer(sdk, simulator, {"w": "tiny-w"}, fallbacks=["spare"]))
    await assert_all_is_well(seen, simulator)
    assert (await counts(simulator, "tiny-w"))["requests"] == 2
    assert seen.record("w")["model"].endswith(":spare")
    assert (seen.answer.endswith(ANSWER), seen.report["degraded"]) == (True, [])
