"""A simulated judge really judges what evaluations show it."""

from __future__ import annotations

import pytest

from moa_graph.evaluation.judging import Jury

SUM = "What is 17 * 24 + 3?"


async def test_it_knows_right_from_wrong_and_better_from_worse() -> None:
    pytest.importorskip("statsmodels")
    jury = Jury(["sim:judge"])
    assert (await jury.grade(SUM, "411", "So I say: Answer: 411")).score == 1
    assert (await jury.grade("Who wrote it?", "Ovid", "Answer: Homer")).score == 0
    better = await jury.prefer(SUM, "Answer: 411", "Answer: 9")
    assert (better.score, better.consistent) == (1, True)
    assert (await jury.prefer(SUM, "Answer: 411", "It comes to this. Answer: 411")).score == 0.5
    assert await jury.choose(SUM, ["Answer: 4", "Answer: 411"]) == 1
    assert await jury.choose(SUM, ["Answer: 4", "Answer: 5"]) == -1


async def test_it_has_no_verdict_where_it_knows_nothing() -> None:
    pytest.importorskip("statsmodels")
    jury = Jury(["sim:judge"])
    assert await jury.choose("Who are you?", ["one", "another"]) is None
    assert (await jury.prefer("Who are you?", "one", "another")).score is None
