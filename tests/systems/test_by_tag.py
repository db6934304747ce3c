"""The caller says what a prompt is about, and only the branch for that makes calls."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from moa_graph import Mixture, MixtureError, create_moa
from moa_graph.cli import main
from moa_graph.runs import run
from moa_graph.size import size_of

pytestmark = pytest.mark.virtual_clock


def described(**changed: Any) -> dict[str, Any]:
    several = [{"propose": {"slots": ["sim:a", "sim:b"]}}, {"aggregate": {"slot": "sim:c"}}]
    routes = {
        "easy": {"tags": ["sums", "facts"], "stages": [{"aggregate": {"slot": "sim:a"}}]},
        "hard": {"tags": ["law"], "stages": several},
    }
    return {"name": "tagged", "stages": [{"by_tag": {"routes": routes, "default": "hard", **changed}}]}


@pytest.mark.parametrize(
    ("tag", "calls", "degraded"),
    [
        ("sums", 1, []),
        ("facts", 1, []),
        ("law", 3, []),
        ("new", 3, ["by_tag: no branch is for prompt_tag 'new': the default, hard, was taken"]),
        (None, 3, ["by_tag: no prompt_tag was given: the default, hard, was taken"]),
    ],
)
async def test_the_tag_that_is_given_takes_its_branch(tag: str | None, calls: int, degraded: list[str]) -> None:
    graph = create_moa(described()).compile()
    outcome = await run(graph, "2 + 2?", options={} if tag is None else {"prompt_tag": tag})
    assert outcome.report["calls"] == calls
    assert outcome.report["degraded"] == degraded


def test_in_the_terminal(tmp_path: Any) -> None:
    file = tmp_path / "tagged.json"
    file.write_text(Mixture.from_data(described()).to_text("json"))
    told = CliRunner().invoke(main, ["ask", "-m", str(file), "--prompt-tag", "sums", "--json", "2 + 2?"])
    assert '"calls": 1' in told.stdout


def test_it_is_written_as_it_was_read_and_its_size_is_that_of_the_longest_branch() -> None:
    mixture = Mixture.from_data(described())
    assert Mixture.from_text(mixture.to_text()) == mixture
    assert size_of(create_moa(mixture).plan).calls == 3


def test_what_cannot_work_is_refused() -> None:
    with pytest.raises(MixtureError, match="default: 'all' is none of the routes: easy, hard"):
        Mixture.from_data(described(default="all"))
    branch = {"tags": ["law"], "stages": [{"aggregate": {"slot": "sim:a"}}]}
    with pytest.raises(MixtureError, match="law: a tag can have only one branch"):
        Mixture.from_data(described(routes={"hard": branch, "other": branch}))
