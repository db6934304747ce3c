"""A command whose packages aren't installed says what to install."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
from click.testing import CliRunner

from moa_graph.cli import extras, main


@pytest.mark.parametrize(
    ("asked", "missing", "extra"),
    [
        (["serve"], "starlette", "server"),
        (["simulate"], "uvicorn", "server"),
        (["compare", __file__], "pandas", "eval"),
    ],
)
def test_what_to_install_is_told(monkeypatch: pytest.MonkeyPatch, asked: list[str], missing: str, extra: str) -> None:
    def find_spec(name: str) -> Any:
        return None if name == missing else importlib.util.find_spec(name)

    monkeypatch.setattr(extras, "find_spec", find_spec)
    told = CliRunner().invoke(main, asked)
    assert told.exit_code == 1
    assert told.stderr == f'moa: This needs {missing}. Install it with: pip install "moa-graph[{extra}]"\n'
