"""The benchmark of systems over recorded answers scores and counts as it says."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from benchmarks.systems import (
    DATA,
    PRICES,
    PYRAMID,
    STRONG,
    SYSTEMS,
    Outcome,
    read_questions,
    run,
    scored,
    table,
    verdict,
)

RIGHT = {
    "gpt-4o-2024-08-06": 96.21,
    "Mistral-Large-2": 95.53,
    "gpt-4o-mini-2024-07-18": 94.24,
    "Meta-Llama-3.1-70B-Instruct": 94.16,
    "gemini-1.5-flash": 91.36,
    "claude-3-haiku-20240307": 88.78,
    "gemma-2-9b-it": 87.41,
    "Meta-Llama-3.1-8B-Instruct": 84.00,
    "Phi-3.5-mini-instruct": 83.62,
    "Mistral-Nemo-Instruct-2407": 82.79,
    "Qwen2-7B-Instruct": 80.14,
    "Mixtral-8x7B-Instruct-v0.1": 70.13,
}
"""Percent of right answers, as the data's README gives them."""

needs_data = pytest.mark.skipif(not (DATA / "gsm8k.jsonl.gz").exists(), reason=f"{DATA} isn't there")


@needs_data
def test_the_scorer_gives_each_model_what_the_data_says() -> None:
    answers = [question.answer for question in read_questions(DATA)]
    with gzip.open(DATA / "gsm8k.jsonl.gz", "rt", encoding="utf-8") as lines:
        outputs = [json.loads(line)["outputs"] for line in lines]

    for model, right in RIGHT.items():
        found = sum(scored(given[model]) == answer for given, answer in zip(outputs, answers, strict=True))
        assert round(100 * found / len(answers), 2) == right, model
    assert set(RIGHT) == set(PRICES)


@needs_data
async def test_a_pyramid_pays_for_gpt_4o_only_where_the_cheap_ones_disagree() -> None:
    questions = read_questions(DATA)[:40]

    outcome = await run(PYRAMID, SYSTEMS[PYRAMID], questions, DATA)

    assert outcome.escalated == pytest.approx(0.1)
    assert outcome.calls == pytest.approx(2.1)
    assert outcome.right == 97.5


def outcome(system: str, right: float, usd: float) -> Outcome:
    return Outcome(system, right, usd, calls=1, escalated=None, seconds=0)


@pytest.mark.parametrize(
    ("right", "usd", "word"), [(96.2, 0.25, "Met."), (96.19, 0.1, "Not met."), (99, 0.26, "Not met.")]
)
def test_the_verdict_is_what_the_figures_say(right: float, usd: float, word: str) -> None:
    assert verdict([outcome(STRONG, 96.21, 1.0), outcome(PYRAMID, right, usd)]).endswith(word)


def test_costs_stand_as_shares_of_gpt_4o() -> None:
    assert "| vote | 50.00 | 0.250 | 0.500 | 1.00 |  | 0.0 |" in table(
        [outcome(STRONG, 96, 2.0), outcome("vote", 50, 0.5)]
    )


def test_missing_data_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"isn't there: name the folder .* with --data FOLDER"):
        read_questions(tmp_path)
