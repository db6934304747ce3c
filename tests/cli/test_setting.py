"""One-off changes on the command line."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.cli.conftest import Moa

MIXTURE = """\
models: {qwen: sim:a, gpt-4.1: sim:b}
stages:
- propose: {slots: [qwen, gpt-4.1]}
- aggregate: {slot: qwen}
"""


@pytest.fixture
def shown(moa: Moa, tmp_path: Any) -> Any:
    """Shows a mixture with settings: its plain data, or the error."""
    (tmp_path / "mine.yaml").write_text(MIXTURE)

    def show(*settings: str) -> Any:
        options = [part for setting in settings for part in ("--set", setting)]
        result = moa("show", "mine.yaml", "--format", "yaml", *options)
        return yaml.safe_load(result.stdout) if result.exit_code == 0 else result.stderr

    return show


def test_fields_are_set_where_they_stand_or_added(shown: Any) -> None:
    data = shown("stages.0.propose.quorum=2", "budget.calls=9", "models.gpt-4.1.temperature=0", "name=other")
    assert data["name"] == "other"
    assert data["stages"][0]["propose"]["quorum"] == 2
    assert data["budget"] == {"calls": 9}
    assert data["models"]["gpt-4.1"] == {"model": "sim:b", "temperature": 0.0}


def test_a_slot_that_is_written_as_its_model_gets_fields(shown: Any) -> None:
    data = shown("stages.0.propose.slots.1.samples=3", "stages.1.aggregate.slot.role=Be brief.")
    assert data["stages"][0]["propose"]["slots"][1] == {"model": "gpt-4.1", "samples": 3}
    assert data["stages"][1]["aggregate"]["slot"] == {"model": "qwen", "role": "Be brief."}


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("stages.0.propose.quorm=2", "stages.0.propose.quorm: there is no such field; look for a misspelling. Did"),
        ("stage.0.propose.quorum=2", "--set stage.0.propose.quorum: there is no 'stage'; did you mean 'stages'?"),
        ("stages.7.propose.quorum=2", "--set stages.7.propose.quorum: '7' isn't an index from 0 to 1"),
        ("stages.0.propose.quorum=soon", "stages.0.propose.quorum: write a whole number (by --set)"),
        ("stages.0.propose.quorum=3", "3 live proposals can't come from 2 slot(s)"),
        ("stages.0.propose.quorum", "write FIELD=VALUE, such as stages.0.propose.quorum=2"),
        ("name.of=x", "name: write text"),
        ("models={", "--set models: '{' isn't a YAML value"),
    ],
)
def test_what_cannot_be_set_says_why(shown: Any, setting: str, told: str) -> None:
    assert told in shown(setting)


def test_ask_runs_the_changed_mixture(moa: Moa, instant: str) -> None:
    result = moa("ask", "-m", instant, "--set", "stages.0.propose.slots.0.samples=3", "What is 2 + 3?", input="")
    assert "layer_1/first (sample 3): answered" in result.stderr
