"""What the mixtures for particular uses give back."""

from __future__ import annotations

import json

import pytest

from tests.systems.panel import Panel, says

pytestmark = pytest.mark.virtual_clock


async def test_a_jury_combines_scores_and_shows_its_disagreement() -> None:
    scores = {"llama-70b": 9, "qwen-72b": 4, "deepseek": 8}
    panel = Panel({name: says(Scored={"score": score, "reasoning": f"by {name}"}) for name, score in scores.items()})

    result = await panel.run("jury")

    assert json.loads(result["messages"][-1].text) == {
        "score": 7.0,
        "median": 8.0,
        "spread": 5.0,
        "agree": False,
        "scores": {"llama-70b": 9.0, "qwen-72b": 4.0, "deepseek": 8.0},
        "reasons": {"llama-70b": "by llama-70b", "qwen-72b": "by qwen-72b", "deepseek": "by deepseek"},
    }


async def test_a_jury_that_agrees_says_so() -> None:
    panel = Panel({name: says(Scored={"score": 7}) for name in ("llama-70b", "qwen-72b", "deepseek")})

    result = await panel.run("jury")

    combined = json.loads(result["messages"][-1].text)
    assert (combined["score"], combined["spread"], combined["agree"]) == (7.0, 0.0, True)


@pytest.mark.parametrize("of", ["answers", "conversation"])
async def test_every_sample_of_a_score_counts(of: str) -> None:
    given = iter([9, 5, 3, 4])
    panel = Panel({"judge": says(Scored=lambda _: {"score": next(given)})})
    score = {"score": {"slots": [{"model": "judge", "samples": 2}], "of": of}}
    proposers = ["a", "b"] if of == "answers" else []
    proposing = [{"propose": {"slots": proposers}}] if proposers else []

    result = await panel.run(
        {"models": dict.fromkeys([*proposers, "judge"]), "stages": [*proposing, score, {"combine": {}}]}
    )

    combined = json.loads(result["messages"][-1].text)
    # Of answers, 9 and 3 are the first one's scores, 5 and 4 the second one's.
    assert combined["scores"] == ({"judge": 9.0, "judge (2)": 3.0} if proposers else {"judge": 9.0, "judge (2)": 5.0})
    assert combined["score"] == (6.0 if proposers else 7.0)


@pytest.mark.parametrize("score", [-1, 11, "high"])
async def test_a_score_out_of_its_bounds_counts_for_nothing(score: object) -> None:
    panel = Panel({"qwen-72b": says(Scored={"score": score})})

    result = await panel.run("jury")

    assert set(json.loads(result["messages"][-1].text)["scores"]) == {"llama-70b", "deepseek"}
    assert list(result["report"]["stages"][0]["failed"]) == ["qwen-72b#0"]


async def test_a_document_is_what_its_last_writer_wrote_at_length() -> None:
    panel = Panel({"deepseek": says("outline a", "the outline", "draft", "the whole document")})

    result = await panel.run("document")

    assert result["messages"][-1].text == "the whole document"
    last = panel.mixture("document").stages[-1].all_slots()[0]
    assert last.max_tokens == 4096


async def test_synthetic_data_comes_with_the_pair_and_its_quality() -> None:
    pair = '{"instruction": "Add two numbers.", "response": "1 + 1 = 2"}'
    scores = {"llama-70b": 6, "qwen-72b": 7, "deepseek": 8}
    panel = Panel({name: says(pair, Scored={"score": score}) for name, score in scores.items()})

    result = await panel.run("synthetic-data")

    row = json.loads(result["messages"][-1].text)
    assert json.loads(row["text"])["instruction"] == "Add two numbers."
    assert row["score"] == 7.0
    assert row["scores"] == {"llama-70b": 6.0, "qwen-72b": 7.0, "deepseek": 8.0}
