"""A judge proposes labels; a person decides, and is told how often the two agreed and what it cost."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from moa_graph.cli import main
from moa_graph.errors import RunFailed
from moa_graph.evaluation.judging import NONE_OF_THEM, BudgetSpent, Jury
from moa_graph.evaluation.labelling import LabelFile
from tests.evaluation.recorded import write_recordings

SKILLS = {"cheap-a": 0.96, "cheap-b": 0.97, "strong": 0.97}


def judge(monkeypatch: pytest.MonkeyPatch, *says: str) -> list[str]:
    """A judge that says these words in turn, for a cent each; gives what it is asked."""
    asked: list[str] = []

    async def ask(self: Jury, prompt: str, pattern: Any = None) -> tuple[list[str | None], float | None]:
        self._bounded()
        asked.append(prompt)
        self.usd += 0.01
        words = re.findall(r"\d+|none", says[(len(asked) - 1) % len(says)])
        return list(words) or [None], 0.01

    monkeypatch.setattr(Jury, "_ask", ask)
    return asked


def label(folder: Path, *options: str, typed: str | None = None) -> Result:
    write_recordings(folder, 400, skills=SKILLS, labelled=0)
    asked = [
        "tune", str(next(folder.glob("recorded*.jsonl"))), "--grade", "number", "--margin", "0.5", "--json",
        "--prices", str(folder / "prices.json"), "--label", str(folder / "labels.jsonl"),
        "--chain", "cheap-a,cheap-b,strong", "--incumbent", "strong", "--judge", "sim:judge", *options,
    ]  # fmt: skip
    return CliRunner().invoke(main, asked, input=typed)


async def test_a_jurys_choice_is_what_most_verdicts_say_in_both_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = judge(monkeypatch, "1", "2")
    assert await Jury(["sim:judge"]).choose("q", ["four", "five"]) == 0
    assert asked[0].index("four") < asked[0].index("five")
    assert asked[1].index("four") > asked[1].index("five")
    judge(monkeypatch, "1")  # whatever stands first
    assert await Jury(["sim:judge"]).choose("q", ["four", "five"]) is None
    judge(monkeypatch, "none")
    assert await Jury(["sim:judge"]).choose("q", ["four", "five"]) == NONE_OF_THEM
    judge(monkeypatch, "9")
    assert await Jury(["sim:judge"]).choose("q", ["four", "five"]) is None
    with pytest.raises(BudgetSpent):
        await Jury(["sim:judge"], usd=0.005).choose("q", ["four", "five"])


def test_a_person_decides_and_is_told_how_often_they_agreed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judge(monkeypatch, "1", "2")
    told = label(tmp_path, "--usd", "0.02", typed="1\n2\n1\nq\n")
    assert told.stderr.count("The judge proposes 1; you decide.") == 1
    assert "the judge makes no further proposals: its budget of 0.02 dollars is spent" in told.stderr
    assert "you chose what it proposed in 1 of 1 labels (100%)" in told.stderr
    rows = [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text().splitlines()]
    assert ["proposed" in row for row in rows] == [True, False, False]
    assert rows[0]["proposed"] == rows[0]["answer"]


@pytest.mark.parametrize(("failures", "gives_up"), [(2, False), (3, True)])
def test_a_judge_that_fails_now_and_then_is_asked_again_and_one_that_keeps_failing_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int, gives_up: bool
) -> None:
    judge(monkeypatch, "1", "2")
    answer, left = Jury._ask, iter(range(failures))

    async def fail_first(self: Jury, prompt: str, pattern: Any = None) -> Any:
        if next(left, None) is not None:
            raise RunFailed("the judge's server is down")
        return await answer(self, prompt)

    monkeypatch.setattr(Jury, "_ask", fail_first)
    told = label(tmp_path, "--usd", "5", typed="1\n1\n1\n1\nq\n")
    assert told.stderr.count("The judge proposes") == (
        0 if gives_up else 3
    )  # the fifth is shown before the person leaves
    assert told.stderr.count("the judge makes no ") == failures
    assert told.stderr.count("the judge makes no further proposals") == (1 if gives_up else 0)


def test_the_page_marks_proposals_and_hands_them_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judge(monkeypatch, "1", "2")
    page = tmp_path / "page.html"
    told = label(tmp_path, "--page", str(page), "--usd", "5")
    assert "the judge: 0.200000 of 5 dollars" in told.stderr
    assert page.read_text().count("the judge's proposal") == 10
    [row, *_] = re.findall(r'data-row="([^"]*)"', page.read_text())
    assert "&#34;proposed&#34;: " in row


def test_agreement_counts_only_labels_that_had_a_proposal(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "1", "prompt": "a", "answer": "4", "proposed": "4"},
        {"id": "2", "prompt": "b", "answer": None, "proposed": None},
        {"id": "3", "prompt": "c", "answer": "4", "proposed": None},
        {"id": "4", "prompt": "d", "answer": "4"},
    ]
    (tmp_path / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert LabelFile(tmp_path / "labels.jsonl").agreement() == (2, 3)


def test_what_cannot_work_is_told_before_a_person_begins(tmp_path: Path) -> None:
    told = label(tmp_path, "--judge", "openai:unknown-model-of-nobody", typed="1\n")
    assert told.exit_code != 0
    assert "the judge's cost can't be bounded" in told.stderr
    without = CliRunner().invoke(main, ["tune", str(next(tmp_path.glob("*.jsonl"))), "--judge", "sim:judge"])
    assert "give --label LABELS too" in without.stderr
