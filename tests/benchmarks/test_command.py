"""``python -m benchmarks`` measures what it is asked for, and writes it down."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import clear_environment, measured
from benchmarks.figure import Effort
from benchmarks.server import Server

ROOT = Path(__file__).parents[2]


def test_variables_of_whoever_runs_it_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MOA_SIMULATE", "OPENAI_BASE_URL", "LANGSMITH_TRACING", "https_proxy"):
        monkeypatch.setenv(name, "1")
    clear_environment()
    assert not {"MOA_SIMULATE", "OPENAI_BASE_URL", "LANGSMITH_TRACING", "https_proxy"} & {*os.environ}


def test_a_figure_that_fails_is_a_line_that_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = measured("no_such_figure", Effort(quick=True), Server("http://127.0.0.1:1"))
    assert (line.failed, line.met) == (True, False)
    assert json.loads(json.dumps(line.as_json())) == {
        "figure": "no_such_figure",
        "value": None,
        "goal": "",
        "met": False,
        "error": "ModuleNotFoundError: No module named 'benchmarks.figures.no_such_figure'",
    }
    assert "ModuleNotFoundError" in capsys.readouterr().err


def benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
def test_a_figure_is_in_the_table_the_json_file_and_the_picture(tmp_path: Path) -> None:
    written, drawn = tmp_path / "figures.json", tmp_path / "figures.png"
    told = benchmarks("--quick", "--only", "samples", "--json", str(written), "--plot", str(drawn))
    assert told.returncode == 0, told.stderr
    assert json.loads(written.read_text()) == [
        {"figure": "requests of self-moa with 6 samples", "value": 2, "goal": "= 2", "met": True}
    ]
    assert "requests of self-moa with 6 samples" in " ".join(told.stdout.split())
    assert drawn.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["", "no-such-figure"])
def test_a_figure_that_is_not_there_is_refused_with_those_that_are(name: str) -> None:
    told = benchmarks("--only", name)
    assert told.returncode == 2
    assert "overhead" in told.stderr
