from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import pytest
from click.testing import CliRunner

from moa_graph.cli import main
from moa_graph.errors import UnknownPreset
from moa_graph.evaluation.upper_bound import pass_at_k
from moa_graph.presets import load_preset


@pytest.mark.parametrize(("answers", "right"), [(4, 0), (4, 1), (5, 2), (3, 3)])
def test_pass_at_k_is_the_share_of_draws_with_a_right_answer(answers: int, right: int) -> None:
    for k in range(1, answers + 1):
        draws = [any(one < right for one in draw) for draw in combinations(range(answers), k)]
        assert pass_at_k(answers, right, k) == pytest.approx(sum(draws) / len(draws))


def test_the_command_tells_the_best_model_pass_at_k_and_the_oracle(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "question": "?", "answer": "4", "outputs": {"a": "4", "b": "4"}},
        {"id": 2, "question": "?", "answer": "5", "outputs": {"a": "5", "b": "1"}},
        {"id": 3, "question": "?", "answer": "6", "outputs": {"a": "1", "b": "6"}},
        {"id": 4, "question": "?", "answer": "7", "outputs": {"a": "7", "b": "2"}},
        {"id": 5, "question": "?", "answer": "8", "outputs": {"a": "1", "b": "2"}},
    ]
    file, prices = tmp_path / "rows.jsonl", tmp_path / "prices.json"
    file.write_text("\n".join(map(json.dumps, rows)))
    prices.write_text(json.dumps({key: {"input": 1, "output": 1} for key in "ab"}))
    ran = CliRunner().invoke(main, ["upper-bound", str(file), "--grade", "number", "--prices", str(prices), "--json"])
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout)
    assert (told["prompts"], told["best"], told["best_alone"], told["oracle"]) == (5, "a", 0.6, 0.8)
    assert told["pass_at_k"] == {"1": pytest.approx(0.5), "2": pytest.approx(0.8)}


def test_as_a_mixture_the_name_says_where_it_is() -> None:
    with pytest.raises(UnknownPreset, match="moa upper-bound FILE"):
        load_preset("upper-bound")
