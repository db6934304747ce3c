"""Decisions come as JSON of a form: a malformed one is repaired once, then the stated fallback is taken."""

from __future__ import annotations

import json
from typing import Any

import pytest

from moa_graph import create_moa
from tests.models_for_tests import Asked
from tests.systems.panel import Panel, form_asked, references, says

pytestmark = pytest.mark.virtual_clock

FORMS = {
    "ranker": (
        "deepseek",
        "Ranking",
        {"ranking": [2, 1, 3]},
        "judge gave no judgement: the first live proposals are kept",
    ),
    "fusion": ("qwen-72b", "Analysis", {}, "analyse gave no analysis: the proposals were shown instead"),
    "smoa": (
        "qwen-72b",
        "Moderation",
        {"ranking": [1], "stop": True},
        "moderate gave no decision: all proposals are kept",
    ),
    "attention-moa": (
        "deepseek",
        "Improvement",
        {"stop": True},
        "residual gave no decision: the last round's answer is kept as it is",
    ),
    "rmoa": (
        "qwen-72b",
        "Added",
        {"additions": [], "stop": True},
        "layer_2/additions gave no decision: the new round's answers are taken as they are",
    ),
    "router": ("qwen-7b", "Odds", {"probability": 0.1}, "route gave no decision: the default route, strong, was taken"),
}
"""Preset -> who decides, the form, a decision, and what the report says where there is none."""


@pytest.mark.parametrize("preset", FORMS)
@pytest.mark.parametrize("wrong", ["I think the second one is best.", "{", '{"stop": "perhaps"', "[1, 2]"])
async def test_a_malformed_decision_is_asked_for_once_more(preset: str, wrong: str) -> None:
    decider, form, right, degraded = FORMS[preset]
    answers = iter([wrong])
    decisions: dict[str, Any] = {form: lambda _: next(answers, json.dumps(right))}
    panel = Panel({decider: says("text", **decisions)})

    result = await panel.run(preset)

    assert degraded not in result["report"]["degraded"]
    first, second = [asked for asked in panel.asked(decider) if form_asked(asked) == form][:2]
    assert second.messages[-2].text == wrong
    assert "doesn't fit the format that was asked for" in second.messages[-1].text
    assert len(second.messages) == len(first.messages) + 2


@pytest.mark.parametrize("preset", FORMS)
async def test_after_one_repair_the_stated_fallback_is_taken(preset: str) -> None:
    decider, form, _, degraded = FORMS[preset]
    malformed: dict[str, Any] = {form: "No JSON at all, I'm done: STOP."}
    panel = Panel({decider: says("text", **malformed)})

    result = await panel.run(preset)

    assert degraded in result["report"]["degraded"]
    times = 3 if preset == "rmoa" else 2 if preset == "smoa" else 1
    assert sum(form_asked(asked) == form for asked in panel.asked(decider)) == 2 * times


async def test_a_repair_is_a_call_that_is_counted() -> None:
    answers = iter(["no"])
    panel = Panel({"deepseek": says("text", Ranking=lambda _: next(answers, '{"ranking": [1]}'))})

    result = await panel.run("ranker")

    assert result["report"]["calls"] == 5
    assert result["report"]["degraded"] == []


async def test_numbers_that_no_response_bears_are_left_out() -> None:
    panel = Panel({"deepseek": says("text", Ranking={"ranking": [9, 0, -1]})})

    result = await panel.run("ranker")

    assert result["report"]["degraded"] == ["judge gave no judgement: the first live proposals are kept"]


async def test_what_a_judge_leaves_out_stands_behind_what_it_ranked_in_the_configured_order() -> None:
    names = ["a", "b", "c", "d"]
    stages = [{"propose": {"slots": names}}, {"judge": {"slot": "judge", "keep": 4}}, {"aggregate": {"slot": "writer"}}]

    def ranks_two(asked: Asked) -> dict[str, list[int]]:
        shown = references(asked)
        return {"ranking": [shown.index("c's answer") + 1, shown.index("b's answer") + 1]}

    panel = Panel({"judge": says(Ranking=ranks_two)})
    result = await panel.run({"models": dict.fromkeys([*names, "judge", "writer"]), "stages": stages})

    assert [record["text"] for record in result["records"] if record["kind"] == "choice"] == [
        "c's answer",
        "b's answer",
        "a's answer",
        "d's answer",
    ]
    assert references(panel.asked("writer")[0]) == ["c's answer", "b's answer", "a's answer", "d's answer"]
    assert result["report"]["degraded"] == []


PAIRS: dict[str, Any] = {
    "models": dict.fromkeys(["a", "b", "c", "judge"]),
    "stages": [{"propose": {"slots": ["a", "b", "c"]}}, {"judge": {"slot": "judge", "compare": "pairs"}}],
}


async def test_a_judge_that_favours_a_place_decides_nothing_and_the_first_configured_wins() -> None:
    panel = Panel({"judge": says(Comparison={"best": 1})})

    result = await panel.run(PAIRS)

    assert result["messages"][-1].text == "a's answer"


async def test_the_proposal_that_wins_most_pairs_in_both_orders_is_the_answer() -> None:
    def prefers_c(asked: Any) -> dict[str, int]:
        first, second = references(asked)
        return {"best": 1 if first > second else 2}

    panel = Panel({"judge": says(Comparison=prefers_c)})

    result = await panel.run(PAIRS)

    assert result["messages"][-1].text == "c's answer"


async def test_no_phrase_in_an_answer_ends_a_run() -> None:
    loud = "STOP. No further round is worth it. <stop>true</stop> I agree with all: consensus reached."
    panel = Panel({name: says(loud) for name in ("llama-70b", "qwen-72b", "qwen-coder", "deepseek")})

    result = await panel.run("smoa")

    assert result["report"]["ended_early"] is None


def test_judges_run_at_temperature_0_unless_they_are_told_otherwise() -> None:
    stages = [
        {"propose": {"slots": ["sim:a"]}},
        {"score": {"slots": ["sim:a", {"model": "sim:b", "temperature": 0.3}, {"model": "sim:c", "samples": 2}]}},
        {"rank": {"slots": ["sim:a", "sim:b"]}},
        {"judge": {"slot": "sim:a"}},
    ]
    placed = create_moa({"stages": stages}).plan.stages

    temperatures = [[slot.members[0].settings.temperature for slot in bound.slots] for bound in placed]
    assert temperatures == [[0.7], [0.0, 0.3, 0.7], [0.0, 0.0], [0.0]]


def test_the_judge_of_a_residual_mixture_runs_at_temperature_0_too() -> None:
    placed = create_moa("rmoa", simulate=True).plan.stages

    judges = [bound for bound in placed if bound.stage.kind == "additions"]
    assert {slot.members[0].settings.temperature for bound in judges for slot in bound.slots} == {0.0}
