"""``moa eval``: every candidate answers every item once, resumable, bounded, broken rows told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from moa_graph.cli import main
from moa_graph.evaluation.comparing import compare
from moa_graph.evaluation.evaluating import evaluate
from moa_graph.evaluation.items import read_items
from moa_graph.evaluation.judging import Jury
from moa_graph.evaluation.length_control import length_controlled_win_rate
from moa_graph.evaluation.recordings import read_recordings
from moa_graph.evaluation.roles import roles_of
from moa_graph.evaluation.tables import read_results, results_of
from tests.evaluation.recorded import write_recordings


def sums(folder: Path, count: int = 12) -> Path:
    file = folder / "sums.jsonl"
    rows = [
        {"id": f"s{one}", "question": f"What is {one} + {2 * one}?", "answer": str(3 * one)} for one in range(count)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


async def test_every_candidate_is_asked_every_item_and_graded(tmp_path: Path) -> None:
    told = await evaluate(sums(tmp_path), ["sim:alpha", "sim:beta"], tmp_path / "out", grade="number")
    table = read_results(told.results)
    assert len(table) == 24
    assert table["right"].mean() == 1  # stock profiles compute sums
    assert set(table["candidate"]) == {"sim:alpha", "sim:beta"}
    assert table["seconds"].notna().all()
    recorded = [json.loads(line) for line in told.recorded.read_text().splitlines()]
    assert set(recorded[0]["outputs"]) == {"sim:alpha", "sim:beta"}


async def test_asked_again_nothing_is_paid_twice(tmp_path: Path) -> None:
    await evaluate(sums(tmp_path), ["sim:alpha"], tmp_path / "out", grade="number")
    before = (tmp_path / "out/sim_alpha.jsonl").read_text()
    lines: list[str] = []
    await evaluate(sums(tmp_path), ["sim:alpha", "sim:beta"], tmp_path / "out", grade="number", told=lines.append)
    assert (tmp_path / "out/sim_alpha.jsonl").read_text() == before
    assert len(read_results(tmp_path / "out/results.parquet")) == 24


async def test_broken_rows_are_told_and_the_others_asked(tmp_path: Path) -> None:
    file = sums(tmp_path, 5)
    file.write_text(file.read_text() + '{"question"\n[1, 2]\n{"id": "x", "answer": "3"}\n')
    lines: list[str] = []
    told = await evaluate(file, ["sim:alpha"], tmp_path / "out", grade="number", told=lines.append)
    assert (told.items, len(told.broken)) == (5, 3)
    assert sum("left out" in line for line in lines) == 3


def test_the_command(tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["eval", str(sums(tmp_path, 4)), "--candidates", "sim:alpha,sim:beta", "--grade", "number"]
    result = CliRunner().invoke(main, [*arguments, "-o", str(out)])
    assert result.exit_code == 0, result.output
    html, picture = tmp_path / "page.html", tmp_path / "picture.png"
    shown = CliRunner().invoke(
        main, ["compare", str(out / "results.parquet"), "--html", str(html), "--picture", str(picture)]
    )
    assert shown.exit_code == 0, shown.output
    assert "100.00%" in shown.output
    assert "http" not in html.read_text().replace("http-equiv", "")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_choices_are_shown_with_letters(tmp_path: Path) -> None:
    file = tmp_path / "choices.csv"
    file.write_text('id,question,choices,answer,group\n1,Pick,"[""red"",""blue""]",B,colours\n')
    (item,), broken = read_items(file)
    assert not broken
    assert "A) red\nB) blue" in item.question
    assert (item.answer, item.group) == ("B", "colours")


def table_of(rows: dict[str, list[int]], groups: list[str] | None = None) -> Any:
    entries = [
        {
            "candidate": name, "id": str(place), "question": f"q{place}", "reference": "1", "answer": "<b>x</b>",
            "extracted": "1", "right": bool(right), "usd": 0.1, "seconds": 1.0, "failure": None,
            "group": groups[place] if groups else None,
        }
        for name, given in rows.items()
        for place, right in enumerate(given)
    ]  # fmt: skip
    return pd.DataFrame(entries)


def test_differences_intervals_and_the_oracle() -> None:
    comparison = compare(table_of({"a": [1] * 90 + [0] * 10, "b": [1] * 80 + [0] * 15 + [1] * 5}))
    assert [one.name for one in comparison.candidates] == ["a", "b"]
    assert comparison.oracle == pytest.approx(0.95)
    versus = comparison.candidates[1].versus
    assert versus is not None
    assert (versus.wins, versus.losses) == (5, 10)
    assert versus.low < -0.05 < versus.high
    assert len(comparison.differing) == 15


def test_groups_widen_the_interval() -> None:
    given = {"a": [1] * 100, "b": ([1] * 5 + [0] * 5) * 10}
    alone = compare(table_of(given)).candidates[1].versus
    grouped = compare(table_of(given, [str(place // 5) for place in range(100)])).candidates[1].versus
    assert alone is not None
    assert grouped is not None
    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)


def test_what_models_write_cannot_leave_the_page(tmp_path: Path) -> None:
    from moa_graph.evaluation.comparison_page import comparison_page

    table = table_of({"a": [1, 1, 0], "b": [1, 0, 1]})
    table["answer"] = "<script>alert(1)</script>"
    page = comparison_page(compare(table), table)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_roles_tell_who_adds_something_and_who_errs_together(tmp_path: Path) -> None:
    file = write_recordings(tmp_path, 400)
    recordings = read_recordings(file, "number", prices=tmp_path / "prices.json")
    found = roles_of(recordings)
    assert found.roles[0].model == "strong"
    assert found.roles[0].rescues > 0.5
    assert found.errors.shape == (4, 4)
    assert compare(results_of(recordings)).candidates[0].name == "strong"
    shown = CliRunner().invoke(
        main, ["roles", str(file), "--grade", "number", "--prices", str(tmp_path / "prices.json")]
    )
    assert shown.exit_code == 0, shown.output


async def test_a_judge_swayed_by_the_order_counts_as_a_tie(monkeypatch: pytest.MonkeyPatch) -> None:
    async def always_first(self: Jury, prompt: str) -> tuple[list[str | None], float | None]:
        return ["1"], 0.001

    monkeypatch.setattr(Jury, "_ask", always_first)
    verdict = await Jury(["sim:judge"]).prefer("q", "one", "other")
    assert (verdict.score, verdict.consistent, verdict.usd) == (0.5, False, 0.002)


def test_length_control_takes_back_what_length_won() -> None:
    lengths, baseline = [900, 800, 950, 300, 350, 320] * 20, [400] * 120
    preferences = [1.0, 1.0, 1.0, 0.0, 0.0, 1.0] * 20
    raw = sum(preferences) / len(preferences)
    assert length_controlled_win_rate(preferences, lengths, baseline) < raw
    assert length_controlled_win_rate(preferences, [400] * 120, baseline) == pytest.approx(raw)
