"""``moa compare --judge``: pairs of answers in both orders, at equal length, within the judges' dollars."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from moa_graph import MoaError
from moa_graph.cli import main
from moa_graph.evaluation.candidates import mixture_of_candidate
from moa_graph.evaluation.judged import judge_pairs
from moa_graph.evaluation.judging import preference, verdict_in
from moa_graph.mixture import Mixture
from moa_graph.testing import Asked, Reply, scripted


def recorded(folder: Path, items: int = 12) -> Path:
    """Answers of three models: one always better, one the same, one that once gave none."""
    file = folder / "answers.jsonl"
    rows: list[dict[str, Any]] = []
    for one in range(items):
        outputs = {"base": f"plain {one}", "better": f"GOOD {one}", "same": f"plain {one}", "failing": f"bad {one}"}
        rows.append({"id": one, "question": f"Tell me of {one}.", "outputs": outputs})
    rows[0]["outputs"]["failing"] = None
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def says(monkeypatch: pytest.MonkeyPatch, *verdicts: Any) -> list[str]:
    """Judges ``judge-0``, ``judge-1`` ... that give these functions' verdicts, at a price; what all are asked."""
    asked: list[str] = []

    def mixture(candidate: str, **settings: Any) -> Mixture:
        if not candidate.startswith("judge-"):
            return mixture_of_candidate(candidate, **settings)

        def reply(call: Asked) -> Reply:
            asked.append(call.messages[-1].text)
            return Reply(f"I see.\n\nVerdict: {verdicts[int(candidate[-1])](call.messages[-1].text)}")

        slot = {"model": scripted(candidate, reply), "max_tokens": 20}
        models = {candidate: {**slot, "price": {"input": 1, "output": 1}}}
        return Mixture.from_data({"models": models, "stages": [{"aggregate": {"slot": candidate, "view": "none"}}]})

    monkeypatch.setattr("moa_graph.evaluation.judged.mixture_of_candidate", mixture)
    return asked


def honest(prompt: str) -> str:
    first, second = prompt.partition("<answer_2>")[::2]
    good = ["GOOD" in first, "GOOD" in second]
    bad = ["bad" in first, "bad" in second]
    return "1" if good[0] or bad[1] else "2" if good[1] or bad[0] else "tie"


async def test_each_pair_is_seen_in_both_orders_and_nothing_is_asked_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, asked = recorded(tmp_path), says(monkeypatch, honest)
    found = await judge_pairs(file, ["judge-0"], against="base", usd=1)
    rates = {one.name: (one.win_rate, one.items, one.ties, one.swayed) for one in found.candidates}
    assert rates == {"better": (1.0, 12, 0, 0), "same": (0.5, 12, 12, 0), "failing": (0.0, 11, 0, 0)}
    assert len(asked) == 2 * (12 + 11)  # equal answers take no judge, and one that wasn't recorded is left out
    assert found.unjudged == 0
    assert found.usd > 0
    assert found.candidates[0].p < 0.01 < found.candidates[1].p == 1
    again = await judge_pairs(file, ["judge-0"], against="base", usd=1)
    assert len(asked) == 2 * (12 + 11)
    assert again.candidates == found.candidates


async def test_a_judge_whom_the_order_sways_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, lambda prompt: "1", honest, honest)
    alone = await judge_pairs(recorded(tmp_path), ["judge-0"], against="base", usd=1)
    [better] = [one for one in alone.candidates if one.name == "better"]
    assert (better.win_rate, better.ties, better.swayed) == (0.5, 12, 12)
    jury = await judge_pairs(tmp_path / "answers.jsonl", ["judge-0", "judge-1", "judge-2"], against="base", usd=1)
    [better] = [one for one in jury.candidates if one.name == "better"]
    assert (better.win_rate, better.ties, better.swayed) == (1.0, 0, 12)


async def test_the_judges_dollars_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, asked = recorded(tmp_path), says(monkeypatch, honest)
    found = await judge_pairs(file, ["judge-0"], against="base", usd=0.001)
    assert found.stopped is not None
    assert found.usd <= 0.001
    assert 0 < len(asked) < 2 * (12 + 11)
    assert found.unjudged > 0


def test_in_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = str(recorded(tmp_path))
    says(monkeypatch, honest)
    told = CliRunner().invoke(main, ["compare", file, "--judge", "judge-0", "--against", "base"])
    assert told.exit_code == 0, told.output
    assert "100.0%" in told.stdout
    assert "Against base (7 characters); judged by judge-0 for 0.0" in told.stdout
    told = CliRunner().invoke(main, ["compare", file, "--judge", "judge-0", "--against", "base", "--json"])
    assert json.loads(told.stdout)["candidates"][0]["name"] == "better"
    assert "name it with --against" in CliRunner().invoke(main, ["compare", file, "--judge", "judge-0"]).stderr
    with pytest.raises(MoaError, match="--against nobody: the candidates are base, better, same, failing"):
        CliRunner().invoke(
            main, ["compare", file, "--judge", "judge-0", "--against", "nobody"],
            standalone_mode=False, catch_exceptions=False,
        )  # fmt: skip


async def test_an_answer_that_failed_is_the_worse_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, honest)
    rows = ["candidate,id,question,answer,right", "base,1,Why?,plain,", "good,1,Why?,GOOD,", "failed,1,Why?,,"]
    (tmp_path / "results.csv").write_text("\n".join(rows) + "\n")
    found = await judge_pairs(tmp_path / "results.csv", ["judge-0"], against="base", usd=1)
    assert [(one.name, one.win_rate) for one in found.candidates] == [("good", 1), ("failed", 0)]


async def test_a_judge_that_costs_nothing_needs_no_limit(tmp_path: Path) -> None:
    rows = [{"id": one, "question": f"What is {one} + 2?", "outputs": {"a": f"Answer: {one + 2}", "b": "Answer: 0"}}
            for one in range(1, 4)]  # fmt: skip
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = await judge_pairs(tmp_path / "sums.jsonl", ["sim:judge"], against="b", usd=1)
    assert (found.stopped, found.usd, found.candidates[0].win_rate) == (None, 0, 1)


def test_verdicts_that_cannot_be_read_do_not_count() -> None:
    assert verdict_in("Verdict: 1\nno, Verdict: **tie**") == "tie"
    assert verdict_in("the first") is None
    assert preference(["1", None], ["2", "1"]) == (1.0, True)
    assert preference([None], ["1"]) is None
