"""What a run says about itself, and whose answer it gives when the one that should write it fails."""

from __future__ import annotations

import re
from typing import Any

import pytest

from moa_graph import RunFailed, TooFewProposals, create_moa
from tests.models_for_tests import Reply, provider_error, scripted

WHY = {"messages": [("user", "Why?")]}

NO = provider_error(401, "no")


async def report_of(graph: Any, **run: Any) -> dict[str, Any]:
    report: dict[str, Any] = (await graph.compile().ainvoke(WHY, **run))["report"]
    return report


def priced(name: str, price: float | None, **reply: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {"model": scripted(name, Reply(**reply))}
    return settings if price is None else {**settings, "price": {"input": price, "output": price}}


async def test_a_run_of_known_prices_adds_them_up() -> None:
    models = {"a": priced("a", 1.0, usage=(1000, 500)), "w": priced("w", 2.0, usage=(100, 50))}
    stages = [{"propose": {"slots": ["a", "a"]}}, {"aggregate": {"slot": "w"}}]

    report = await report_of(create_moa({"models": models, "stages": stages}))

    assert report["cost"] == pytest.approx((2 * 1500 * 1.0 + 150 * 2.0) / 1e6)
    assert report["known_cost"] == report["cost"]
    assert report["usage"] == {"input": 2100, "output": 1050, "cached": 0}
    assert report["usage_complete"] is True
    assert report["estimated"] is False


async def test_an_unknown_price_makes_the_cost_unknown_and_never_zero() -> None:
    models = {"a": priced("a", None, usage=(1000, 500)), "w": priced("w", 2.0, usage=(100, 50))}
    stages = [{"propose": {"slots": ["a"]}}, {"aggregate": {"slot": "w"}}]

    report = await report_of(create_moa({"models": models, "stages": stages}))

    assert report["cost"] is None
    assert report["known_cost"] == pytest.approx(150 * 2.0 / 1e6)


async def test_usage_that_is_not_told_is_estimated_and_marked() -> None:
    models = {"a": priced("a", 1.0, usage=None), "w": priced("w", 2.0, usage=(100, 50))}
    stages = [{"propose": {"slots": ["a"]}}, {"aggregate": {"slot": "w"}}]

    report = await report_of(create_moa({"models": models, "stages": stages}))

    assert report["cost"] > 150 * 2.0 / 1e6
    assert report["usage"]["input"] > 100
    assert report["usage"]["output"] > 50
    assert report["estimated"] is True


@pytest.mark.parametrize(
    ("proposer", "writer", "simulated"),
    [
        ("sim:instant", "sim:instant", True),
        (scripted("a"), "sim:instant", False),
        ("sim:instant", scripted("a"), False),
    ],
)
async def test_a_run_is_simulated_if_every_model_is(proposer: Any, writer: Any, simulated: bool) -> None:
    report = await report_of(create_moa(proposers=[proposer], aggregator=writer))

    assert report["simulated"] is simulated


async def test_choosing_a_real_writer_for_a_simulated_mixture_isnt_simulated() -> None:
    stages = [{"propose": {"slots": ["sim:instant"]}}, {"aggregate": {"slot": "sim:instant"}}]
    graph = create_moa({"models": {"real": {"model": scripted("real")}}, "stages": stages})

    assert (await report_of(graph))["simulated"] is True
    assert (await report_of(graph, context={"aggregator": "real"}))["simulated"] is False


async def test_simulate_puts_a_stand_in_in_every_models_place() -> None:
    report = await report_of(create_moa("moa-lite", simulate=True))

    assert report["simulated"] is True
    assert report["models"] == sorted(
        f"sim:{name}" for name in ("qwen-110b", "qwen-72b", "wizardlm-8x22b", "llama-3-70b", "mixtral-8x22b", "dbrx")
    )


async def test_failed_slots_are_listed_with_their_reasons() -> None:
    good, bad, empty = scripted("good"), scripted("bad", NO), scripted("empty", "")
    graph = create_moa(
        proposers=[good, {"model": bad, "samples": 2}, {"model": empty, "tries": 1}], aggregator=scripted("writer")
    )

    report = await report_of(graph)

    layer, closing = report["stages"]
    assert (layer["stage"], layer["live"]) == ("layer_1", 1)
    assert {slot: failure["kind"] for slot, failure in layer["failed"].items()} == {
        "bad#0": "auth",
        "bad#1": "auth",
        "empty#0": "empty",
    }
    assert layer["failed"]["bad#0"]["message"].endswith("401: no")
    assert (closing["stage"], closing["live"], closing["failed"]) == ("aggregate", 1, {})
    assert report["failed_calls"] == 3
    assert report["degraded"] == ["layer_1: 3 of 4 answers failed (auth, empty)"]


@pytest.mark.parametrize(
    ("status", "words", "remedy"),
    [(401, "no", "Correct the key"), (400, "maximum context length is 512 tokens", "Shorten the conversation")],
)
async def test_where_all_fail_in_the_same_way_the_error_says_what_would_help(
    status: int, words: str, remedy: str
) -> None:
    members = [scripted(name, *[provider_error(status, words)] * 3) for name in ("one", "other")]

    with pytest.raises(TooFewProposals, match=rf"needed \(min_live\)\. {remedy}"):
        await report_of(create_moa(proposers=members, aggregator=scripted("writer")))


async def test_a_run_without_enough_proposals_lists_every_slot_and_reason() -> None:
    one, other = scripted("one", NO), scripted("other", provider_error(400, "bad words"))
    writer = scripted("writer")

    with pytest.raises(TooFewProposals) as failed:
        await report_of(create_moa(proposers=[one, other], aggregator=writer))

    assert str(failed.value).startswith("layer_1: 0 live proposal(s), 1 needed (min_live). Ask again")
    [first, second] = failed.value.reasons
    assert re.fullmatch(r"layer_1/one: auth: .*401: no", first)
    assert re.fullmatch(r"layer_1/other: bad_request: .*400: bad words", second)
    assert all(reason in str(failed.value) for reason in failed.value.reasons)
    assert writer.journal.asked == []


async def test_a_later_layer_that_fails_falls_back_on_the_layer_before_and_says_so() -> None:
    proposer, writer = scripted("proposer", "first", NO), scripted("writer")
    result = await create_moa(proposers=[proposer], aggregator=writer, layers=3).compile().ainvoke(WHY)

    assert "first" in writer.journal.asked[0].messages[0].text
    assert result["report"]["degraded"] == ["layer_2 gave 0 live proposal(s): an earlier layer's were used"]


async def test_a_fallback_of_the_writer_is_noted_and_isnt_degraded() -> None:
    second = scripted("second", "the second's")
    stages = [
        {"propose": {"slots": [scripted("proposer")]}},
        {"aggregate": {"slot": scripted("writer", NO), "fallbacks": [second]}},
    ]

    result = await create_moa({"stages": stages}).compile().ainvoke(WHY)

    assert result["messages"][-1].text == "the second's"
    assert result["report"]["degraded"] == []
    [note] = result["report"]["stages"][1]["notes"]["writer#0"]
    assert re.fullmatch(r"writer failed \(auth\): .*401: no", note)


async def test_the_last_synthesis_stands_in_for_a_writer_that_fails() -> None:
    stages = [
        {"propose": {"slots": [scripted("a", "a's proposal")]}},
        {"aggregate": {"slot": scripted("w", "a first synthesis")}},
        {"propose": {"slots": [scripted("b", "b's proposal")]}},
        {"aggregate": {"slot": scripted("x", NO)}},
    ]

    result = await create_moa({"stages": stages}).compile().ainvoke(WHY)

    assert result["messages"][-1].text == "a first synthesis"
    assert result["report"]["degraded"] == ["aggregate-2 gave no answer: this is aggregate's"]


async def test_the_writers_own_proposal_stands_in_where_there_is_no_synthesis() -> None:
    writer = scripted("writer", "the writer's own", NO)
    graph = create_moa(proposers=[scripted("first"), writer, scripted("last")], aggregator=writer)

    result = await graph.compile().ainvoke(WHY)

    assert result["messages"][-1].text == "the writer's own"
    assert result["report"]["degraded"] == ["no model could write the answer: this is writer's own, of layer_1"]


async def test_the_writers_own_proposal_is_its_latest() -> None:
    writer = scripted("writer", "one", "two", NO)
    graph = create_moa(proposers=[scripted("first"), writer], aggregator=writer, layers=3)

    result = await graph.compile().ainvoke(WHY)

    assert result["messages"][-1].text == "two"


async def test_the_first_live_proposal_stands_in_where_the_writer_proposed_nothing() -> None:
    slots = ["sim:instant", "sim:swift"]
    stages = [{"propose": {"slots": slots}}, {"aggregate": {"slot": scripted("writer", NO)}}]

    result = await create_moa({"stages": stages}).compile().ainvoke(WHY)

    assert result["messages"][-1].text == result["records"][0]["text"]
    assert result["report"]["degraded"] == ["no model could write the answer: this is instant's own, of layer_1"]


async def test_a_writer_chosen_for_the_run_is_the_one_whose_own_proposal_stands_in() -> None:
    planned, chosen = scripted("planned", "planned's own", NO), scripted("chosen", "chosen's own", NO)
    graph = create_moa(proposers=[planned, chosen], aggregator=planned)

    result = await graph.compile().ainvoke(WHY, context={"aggregator": "chosen"})

    assert result["messages"][-1].text == "chosen's own"


async def test_without_any_live_record_the_run_fails_with_every_reason() -> None:
    writer = scripted("writer", NO)
    fallback = scripted("second", provider_error(400, "bad words"))
    stages = [{"aggregate": {"slot": writer, "fallbacks": [fallback]}}]

    with pytest.raises(RunFailed) as failed:
        await report_of(create_moa({"stages": stages}))

    assert "aggregate: no model gave an answer. Ask again, or name fallbacks." in str(failed.value)
    assert "400: bad words" in str(failed.value)


async def test_the_answer_bears_the_model_and_what_is_missing() -> None:
    stages = [{"propose": {"slots": ["sim:instant"]}}, {"aggregate": {"slot": scripted("writer", NO)}}]

    result = await create_moa({"name": "mine", "stages": stages}).compile().ainvoke(WHY)

    assert result["messages"][-1].response_metadata == {
        "model_name": "sim:instant",
        "mixture": "mine",
        "degraded": result["report"]["degraded"],
        "finish_reason": "stop",
    }
