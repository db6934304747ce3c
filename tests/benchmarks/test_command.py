"""``python -m benchmarks`` measures what it is asked for, and writes it down."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=120)


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
