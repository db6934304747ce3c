"""Systems that end early do so as their models decide, and spend no call more."""

from __future__ import annotations

from typing import Any

import pytest

from tests.systems.panel import Panel, says

pytestmark = pytest.mark.virtual_clock

TRIO = ["llama-70b", "qwen-72b", "deepseek"]


async def test_ice_with_a_unanimous_first_round_costs_a_call_a_model() -> None:
    panel = Panel({"llama-70b": says("It is 42."), "qwen-72b": says("6 * 7 = 42"), "deepseek": says("Answer: 42")})

    result = await panel.run("ice")

    assert result["report"]["calls"] == 3
    assert result["report"]["ended_early"] == "3 of 3 agree on 42"
    assert result["messages"][-1].text == "It is 42."


async def test_ice_stops_in_the_round_in_which_its_models_agree() -> None:
    panel = Panel({"llama-70b": says("41", "42"), "qwen-72b": says("42"), "deepseek": says("42")})

    result = await panel.run("ice")

    assert panel.widths == [3, 3]
    assert result["report"]["ended_early"] == "3 of 3 agree on 42"


async def test_ice_takes_the_plurality_of_its_last_round() -> None:
    panel = Panel({"llama-70b": says("41"), "qwen-72b": says("It is 42."), "deepseek": says("42")})

    result = await panel.run("ice")

    assert panel.widths == [3, 3, 3]
    assert result["messages"][-1].text == "It is 42."
    assert result["report"]["degraded"] == []


async def test_ice_abstains_where_its_last_round_is_tied() -> None:
    panel = Panel({"llama-70b": says("41"), "qwen-72b": says("42"), "deepseek": says("43")})

    result = await panel.run("ice")

    assert result["messages"][-1].text == "No answer: the vote was tied. 1 for 41; 1 for 42; 1 for 43."
    assert result["report"]["degraded"] == ["the vote was tied: no answer was given"]


async def test_a_model_that_fails_agrees_with_nobody() -> None:
    def fails(_: Any) -> Any:
        raise ConnectionResetError("gone")

    panel = Panel({"llama-70b": says("42"), "qwen-72b": says("42"), "deepseek": fails})

    result = await panel.run("ice")

    assert result["report"]["ended_early"] is None
    assert result["messages"][-1].text == "42"


async def test_attention_moa_stops_when_the_residual_says_so() -> None:
    panel = Panel({"deepseek": says("d", "c", "c", "c", "r", "first synthesis", "d", Improvement={"stop": True})})

    result = await panel.run("attention-moa")

    assert result["report"]["ended_early"] == "1 round(s) brought nothing new"
    syntheses = [record["text"] for record in result["records"] if record["kind"] == "synthesis"]
    assert syntheses[0] == "first synthesis"
    assert result["messages"][-1].text == syntheses[1] != syntheses[0]  # the present one, though it brought nothing


@pytest.mark.parametrize("layers", [2, 3, 4])
async def test_layers_behind_a_residual_that_stops_are_not_asked(layers: int) -> None:
    layer: list[dict[str, Any]] = [{"propose": {"slots": ["a", "b"]}}, {"aggregate": {"slot": "c"}}]
    behind = [stage for _ in range(layers - 1) for stage in [*layer, {"residual": {"slot": "residual"}}]]
    panel = Panel({"residual": says(Improvement={"stop": True})})

    result = await panel.run({"models": dict.fromkeys(["a", "b", "c", "residual"]), "stages": [*layer, *behind]})

    assert panel.widths == [2, 1, 2, 1, 1]
    assert result["report"]["ended_early"] == "1 round(s) brought nothing new"


async def test_what_the_residual_wrote_is_the_answer() -> None:
    panel = Panel({"deepseek": says("d", Improvement={"stop": False, "answer": "the best of both"})})

    result = await panel.run("attention-moa")

    assert result["messages"][-1].text == "the best of both"
    assert result["report"]["degraded"] == []


async def test_rmoa_stops_after_two_rounds_that_added_nothing() -> None:
    panel = Panel(
        {"qwen-72b": says("a", Added={"additions": [], "stop": True}), "deepseek": says("d", "synthesis", "d")}
    )

    result = await panel.run("rmoa")

    assert panel.widths == [3, 1, 3, 1, 3, 1]
    assert result["report"]["ended_early"] == "2 round(s) added nothing new"
    assert result["messages"][-1].text == "synthesis"
    assert result["report"]["degraded"] == []


async def test_rmoa_counts_idle_rounds_only_in_a_row() -> None:
    said = iter([True, False, True])
    panel = Panel({"qwen-72b": says("a", Added=lambda _: {"additions": ["x"], "stop": next(said)})})

    result = await panel.run("rmoa")

    assert panel.widths == [3, 1, 3, 1, 3, 1, 1, 3, 1]
    assert result["report"]["ended_early"] is None
    assert result["report"]["degraded"] == []


async def test_rmoa_takes_no_named_addition_for_none() -> None:
    panel = Panel({"qwen-72b": says("a", Added={"additions": [], "stop": False})})

    result = await panel.run("rmoa")

    assert result["report"]["ended_early"] == "2 round(s) added nothing new"


async def test_smoa_goes_straight_to_the_writer_when_the_moderator_has_enough() -> None:
    panel = Panel({"qwen-72b": says("a", Moderation={"ranking": [1], "stop": True})})

    result = await panel.run("smoa")

    assert panel.widths == [4, 1, 1]
    assert result["report"]["ended_early"] == "the moderator found that another round isn't worth it"
    assert result["report"]["degraded"] == []


async def test_smoa_has_what_its_writer_needs_when_rounds_are_left_out() -> None:
    panel = Panel({"qwen-72b": says("a", Moderation={"ranking": [1], "stop": True})})
    data = panel.mixture("smoa").model_dump(mode="python")

    result = await panel.run(
        {"models": data["models"], "stages": panel.mixture("smoa").stages, "budget": {"calls": 12}}
    )

    assert panel.widths == [4, 1, 1]
    assert result["report"]["degraded"] == []


async def test_a_pyramid_whose_cheap_models_agree_makes_no_strong_call() -> None:
    panel = Panel({"llama-8b": says("It is 42."), "qwen-7b": says("42")})

    result = await panel.run("pyramid-moa")

    assert panel.asked("deepseek") == []
    assert result["report"]["calls"] == 2
    assert result["messages"][-1].text == "It is 42."


@pytest.mark.parametrize(
    ("stated", "strong"), [(("0.9", "0.8"), 0), (("0.9", "0.6"), 1), (("90%", "80"), 0), (("?", "1"), 1)]
)
async def test_agreement_counts_only_with_the_confidence_that_is_asked_for(
    stated: tuple[str, str], strong: int
) -> None:
    first, second = (f'{{"answer": 42, "confidence": "{confidence}"}}' for confidence in stated)
    panel = Panel({"a": says(first), "b": says(second)})

    await panel.run(
        {
            "models": dict.fromkeys(["a", "b", "strong"]),
            "stages": [
                {"propose": {"slots": ["a", "b"]}},
                {"stop": {"extract": "json:answer", "confidence": 0.8}},
                {"aggregate": {"slot": "strong", "view": "none"}},
            ],
        }
    )

    assert len(panel.asked("strong")) == strong


CASCADE = {9.0: ([1, 1], None), 8.0: ([1, 1], None), 5.0: ([1, 1, 1, 1, 1], "deepseek"), 0.5: ([1, 1], None)}
"""Score of every answer -> requests one after another, and who is asked last."""


@pytest.mark.parametrize("score", CASCADE)
async def test_a_cascade_ends_with_an_answer_that_is_good_enough_or_hopeless(score: float) -> None:
    panel = Panel({"qwen-7b": says(Scored={"score": score})})

    result = await panel.run("cascade")

    widths, last = CASCADE[score]
    assert panel.widths == widths
    assert bool(panel.asked("deepseek")) == (last is not None)
    assert result["report"]["degraded"] == []


async def test_a_cascade_takes_the_second_answer_where_only_that_is_good_enough() -> None:
    scores = iter([4, 9])
    panel = Panel({"qwen-7b": says(Scored=lambda _: {"score": next(scores)})})

    result = await panel.run("cascade")

    assert panel.widths == [1, 1, 1, 1]
    assert result["messages"][-1].text == "llama-70b's answer"
    assert result["report"]["ended_early"] == "a score of 9.0 is enough"


async def test_agreement_over_all_stages_counts_the_cheap_answers_too() -> None:
    panel = Panel({"a": says("41"), "b": says("42"), "c": says("It is 42.")})

    result = await panel.run(
        {
            "models": dict.fromkeys(["a", "b", "c", "strong"]),
            "stages": [
                {"propose": {"slots": ["a", "b"]}},
                {"stop": {"over": "all"}},
                {"propose": {"slots": ["c"], "view": "none"}},
                {"stop": {"over": "all", "agreement": 0.6}},
                {"aggregate": {"slot": "strong", "view": "none"}},
            ],
        }
    )

    assert panel.widths == [2, 1]
    assert result["report"]["ended_early"] == "2 of 3 agree on 42"
