"""Who answered what, and one model beside a mixture."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from moa_graph.cli.beside import Alone, compared
from moa_graph.cli.panel import in_short
from moa_graph.runs import Outcome
from moa_graph.state import Record
from tests.cli.conftest import Moa

QUESTION = "What is 17 * 24 + 3?"


def record(slot: str, text: str, *, kind: str = "proposal", stage: str = "layer_1", index: int = 0, **more: Any) -> Any:
    facts = {"sample": 0, "status": "live", "notes": [], "order": [index, 0, 0], "model": f"sim:{slot}"}
    return {"slot": slot, "text": text, "kind": kind, "stage": stage, **facts, **more}


def short(*records: Record, width: int = 60) -> list[str]:
    return in_short(records, width)


def test_a_line_tells_who_answered_what_and_what_the_vote_counted() -> None:
    choice = record("a", "Answer: 4", kind="choice", stage="vote", index=1, notes=["2 of 2 came to 4"])
    lines = short(record("a", "So.\n\nAnswer: 4"), record("bb", "4"), choice)
    assert lines == ["layer_1/a   So. Answer: 4", "layer_1/bb  4", "vote        2 of 2 came to 4"]


def test_only_the_last_layer_is_told_and_no_failure_twice() -> None:
    later = [record(slot, "x", stage="layer_2", index=1) for slot in "ab"]
    failed = record("c", "", stage="layer_2", index=1, status="failed")
    assert [line.split()[0] for line in short(record("a", "y"), *later, failed)] == ["layer_2/a", "layer_2/b"]


def test_one_proposal_alone_is_not_told_again() -> None:
    assert short(record("a", "x")) == []


@pytest.mark.parametrize("width", [30, 40, 80])
def test_a_line_fits_its_terminal_and_keeps_both_ends(width: int) -> None:
    text = "It begins so. " + "word " * 100 + "Answer: 4"
    for line in short(record("a" * 50, text), record("b", text), width=width):
        assert len(line) <= width
        assert line.endswith("4")
        assert "It beg" in line


def test_a_note_is_told_of_the_model_that_really_answered() -> None:
    (line, _) = short(record("a", "x", notes=["answered by its fallback c"]), record("b", "y"))
    assert line == "layer_1/a  [answered by its fallback c] x"


def test_show_proposals_shows_them_whole_and_keeps_stdout_for_the_answer(moa: Moa, instant: str) -> None:
    result = moa("ask", "-m", instant, "--show-proposals", QUESTION, input="")
    assert result.stderr.count("Answer: 411") == 2
    assert "layer_1/first (sim:instant, 0.0 s, " in result.stderr
    assert result.stdout.count("Answer: 411") == 1


def test_beside_asks_one_model_too_and_tells_what_both_took(moa: Moa, served: Any) -> None:
    mixture, simulator = served(one={}, two={}, writer={})
    result = moa("ask", "-m", mixture, "--beside", "one", QUESTION, input="")
    assert simulator.stats()["total"]["requests"] == 4
    assert result.stdout.count("Answer: 411") == 1
    told = result.stderr.partition("one alone:\n")[2]
    assert "Answer: 411" in told
    assert [line.split()[0] for line in told.splitlines()[-2:]] == ["test-mixture", "one"]
    assert "3 calls" in told
    assert "1 call " in told


def test_beside_is_part_of_the_json(moa: Moa, instant: str) -> None:
    result = moa("ask", "-m", instant, "--beside", "sim:instant", "--json", QUESTION, input="")
    beside = json.loads(result.stdout)["beside"]
    assert beside["model"] == "sim:instant"
    assert beside["answer"].endswith("411")
    assert beside["report"]["calls"] == 1


def test_a_model_beside_that_fails_does_not_take_the_answer_away(moa: Moa, served: Any) -> None:
    mixture, _ = served(bad={"faults": [{"kind": "status", "status": 400, "message": "no"}]}, good={}, writer={})
    result = moa("ask", "-m", mixture, "--beside", "bad", QUESTION, input="")
    assert result.exit_code == 0
    assert "Answer: 411" in result.stdout
    assert "HTTP 400" in result.stderr.partition("bad alone:\n")[2]


def test_a_model_beside_whose_key_is_missing_is_refused_before_anything_is_asked(moa: Moa, served: Any) -> None:
    mixture, simulator = served(one={}, writer={})
    result = moa("ask", "-m", mixture, "--beside", "groq:llama", QUESTION, input="")
    assert "--beside groq:llama: GROQ_API_KEY is not set" in result.stderr
    assert result.exit_code == 1
    assert simulator.stats()["total"]["requests"] == 0


def test_what_both_took_stands_in_columns_or_where_there_is_no_room_under_each_other() -> None:
    report: Any = {"mixture": "test", "usage": {"input": 1, "output": 2}, "cost": 0.1, "seconds": 1.0, "calls": 3}
    alone = Alone("one", Outcome(AIMessage("4"), [], report))
    assert compared(report, alone, None)[0].split() == ["test", "1.0", "s", "3", "calls", "3", "tokens", "$0.10"]
    assert compared(report, alone, 20)[:3] == ["test", "  1.0 s", "  3 calls"]


def test_an_unknown_model_beside_is_refused_before_anything_is_asked(moa: Moa, served: Any) -> None:
    mixture, simulator = served(one={}, writer={})
    assert moa("ask", "-m", mixture, "--beside", "nobody", QUESTION, input="").exit_code == 2
    assert simulator.stats()["total"]["requests"] == 0
