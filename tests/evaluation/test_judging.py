"""Judges, their agreement with labels, and win rates at equal length."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from moa_graph.errors import InputError
from moa_graph.evaluation.candidates import mixture_of_candidate, sampled
from moa_graph.evaluation.comparing import compare
from moa_graph.evaluation.dawid_skene import credit_of_agreement
from moa_graph.evaluation.evaluating import evaluate
from moa_graph.evaluation.grading import grader
from moa_graph.evaluation.judging import BudgetSpent, Jury, agreement
from moa_graph.evaluation.length_control import (
    instruction_difficulty,
    length_controlled_win_rate,
    published_win_rate,
)
from moa_graph.evaluation.pictures import pareto_picture
from moa_graph.evaluation.recordings import read_recordings
from moa_graph.evaluation.tables import read_results
from moa_graph.evaluation.tuning import halves
from tests.evaluation.test_evaluate import sums, table_of


def test_agreement_beside_what_chance_alone_would_agree_on() -> None:
    found = agreement([True, True, False, None, False], [True, False, False, True, False])
    assert found is not None
    assert (found.share, found.answers) == (0.75, 4)
    assert found.kappa == pytest.approx(0.5)
    constant = agreement([True, True], [True, True])
    assert constant is not None
    assert constant.kappa is None
    assert agreement([None], [True]) is None


async def test_a_judge_stops_where_its_dollars_end() -> None:
    jury = Jury(["sim:judge"], usd=0.5)
    jury.usd = 0.5
    with pytest.raises(BudgetSpent, match=r"the judge's budget of 0\.5 dollars is spent"):
        await jury.grade("q", "1", "1")


async def test_judged_against_a_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def says(self: Jury, prompt: str) -> tuple[list[str | None], float | None]:
        self.usd += 0.01
        return ["right" if "What is 0" not in prompt else "wrong"], 0.01

    monkeypatch.setattr(Jury, "_ask", says)
    told = await evaluate(
        sums(tmp_path, 5), ["sim:alpha", "sim:beta"], tmp_path / "out", grade="judge:sim:judge", check="number"
    )
    assert told.agreement is not None
    assert (told.agreement.share, told.agreement.answers) == (0.8, 10)
    assert told.usd == pytest.approx(0.1)


async def test_escalations_and_samples_are_candidates_and_columns(tmp_path: Path) -> None:
    chain = {
        "name": "chain",
        "stages": [
            {"propose": {"slots": ["sim:alpha", "sim:beta"], "view": "none"}},
            {"stop": {"votes": 2, "over": "all", "extract": "number"}},
            {"aggregate": {"slot": "sim:gamma", "view": "none"}},
        ],
    }
    file = tmp_path / "chain.json"
    file.write_text(json.dumps(chain))
    told = await evaluate(sums(tmp_path, 4), [str(file), "sim:alpha*3"], tmp_path / "out", grade="number")
    table = read_results(told.results)
    assert set(table[table["candidate"] == str(file)]["escalations"]) == {0}  # all sums are agreed on
    voted = table[table["candidate"] == "sim:alpha*3"]
    assert set(voted["calls"]) == {3}
    assert voted["right"].all()
    assert sampled("sim:alpha", 3) == "sim:alpha*3"
    assert mixture_of_candidate("sim:alpha*3", extract="number").to_data()["stages"][1]["vote"]["extract"] == "number"
    with pytest.raises(InputError, match="--self-consistency moa-lite"):
        await evaluate(sums(tmp_path, 2), ["moa-lite"], tmp_path / "x", self_consistency="moa-lite")


def test_the_strongest_others_for_the_same_dollars_and_the_same_accuracy() -> None:
    table = table_of({"mix": [1, 1, 1, 0], "dear": [1, 1, 1, 0], "cheap": [1, 0, 0, 0]})
    for name, usd in (("mix", 0.2), ("dear", 0.9), ("cheap", 0.1)):
        table.loc[table["candidate"] == name, "usd"] = usd
    found = {one.name: (one.at_equal_cost, one.at_equal_quality) for one in compare(table).candidates}
    assert found == {"mix": ("cheap", "dear"), "dear": ("mix", "mix"), "cheap": (None, "mix")}


def test_candidates_that_never_differ_have_a_row_and_a_picture_like_any_other() -> None:
    table = table_of({"one": [1] * 20, "other": [1] * 20})
    table["usd"] = 0.1
    comparison = compare(table)
    [versus] = [one.versus for one in comparison.candidates if one.versus is not None]
    assert (versus.wins, versus.losses, versus.difference, versus.p, versus.corrected) == (0, 0, 0, 1, 1)
    assert -versus.low == pytest.approx(versus.high)
    assert all(one.low < one.accuracy <= one.high for one in comparison.candidates)
    assert pareto_picture(comparison).startswith(b"\x89PNG")


def test_difficulty_and_length_are_told_apart() -> None:
    drawn = np.random.default_rng(1)
    hard, baseline = drawn.normal(size=800), np.full(800, 1000.0)
    lengths = 1000 + drawn.normal(scale=400, size=(12, 800)) + 300 * np.linspace(-1, 1, 12)[:, None]
    levels = np.linspace(-2, 1, 12)[:, None]
    spread = np.tanh((lengths - 1000) / (lengths - 1000).std(axis=1, ddof=1, keepdims=True))
    chance = expit(levels + 0.8 * hard + 1.2 * spread)
    found = instruction_difficulty(chance, lengths, baseline)
    assert np.corrcoef(found, hard)[0, 1] > 0.95
    for model in (0, 5, 11):
        truth = published_win_rate(float(levels[model, 0]), 0.8, hard)
        assert length_controlled_win_rate(chance[model], lengths[model], baseline, hard) == pytest.approx(
            truth, abs=0.01
        )
        assert abs(length_controlled_win_rate(chance[model], lengths[model], baseline, found) - truth) < 0.02


def test_models_that_err_together_on_hard_prompts_arent_believed_too_much() -> None:
    drawn = np.random.default_rng(2)
    hard = drawn.random(1000) < 0.2
    right = drawn.random((1000, 8)) < np.where(hard, 0.3, 0.97)[:, None]
    answers = np.where(right, 0, drawn.integers(1, 6, (1000, 8))).astype(np.int16)
    credit = credit_of_agreement(answers)
    assert credit[:, -1].max() == 0
    believed = credit[np.arange(1000), answers[:, 0]]
    assert believed.mean() == pytest.approx(right[:, 0].mean(), abs=0.04)
    assert believed[hard].mean() < 0.5 < 0.9 < believed[~hard].mean()


def test_mathematics_is_equal_in_several_forms() -> None:
    pytest.importorskip("math_verify", reason="--grade math-verify needs: pip install math-verify")
    read = grader("math-verify")
    assert read("So it is $\\frac{1}{2}$.") == read("0.5") == read("$\\boxed{\\frac{2}{4}}$") == "1/2"
    assert read("no result") is None


def test_a_prompt_that_was_drawn_twice_is_two_draws(tmp_path: Path) -> None:
    file = tmp_path / "twice.jsonl"
    rows = [{"id": one % 200, "question": f"q{one % 200}", "outputs": {"a": "1", "b": None}} for one in range(400)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps({"a": 1, "b": 2}))
    first, second = halves(read_recordings(file, "exact", prices=prices, models=["a", "b"]))
    assert len(first) == len(second) == 200
    assert 60 < len(set(first.questions) & set(second.questions)) < 140  # about half of them are in both
