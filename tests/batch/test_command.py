"""``moa batch`` on a terminal and in a pipe: what it shows, and what an interruption leaves."""

from __future__ import annotations

import io
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from moa_graph.batch import Summary
from moa_graph.cli import main
from moa_graph.cli.batch_progress import BatchProgress
from tests.batch.panel import read_lines, write_rows


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "in.jsonl", 12)


def test_ctrl_c_tells_what_was_done_and_the_same_command_goes_on(
    rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["batch", str(rows), str(tmp_path / "out.jsonl"), "--mixture", "moa-lite", "--simulate"]
    update = BatchProgress.update

    def interrupted(shown: BatchProgress, summary: Summary) -> None:
        update(shown, summary)
        if summary.done_now == 3:
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(BatchProgress, "update", interrupted)
            stopped = CliRunner().invoke(main, [*command, "--concurrency", "1"])
    finally:
        signal.signal(signal.SIGINT, before)
    assert stopped.exit_code == 130
    assert "3 answered, 9 left" in stopped.stderr
    assert "stopped: interrupted\nRun the same command again to continue." in stopped.stderr
    ended = CliRunner().invoke(main, command)
    assert ended.exit_code == 0, ended.stderr
    assert len(read_lines(tmp_path / "out.jsonl")) == 12


def test_a_terminal_shows_rate_dollars_failures_and_the_slowest_model() -> None:
    screen = io.StringIO()
    shown = BatchProgress(console=Console(file=screen, force_terminal=True, width=80))
    summary = Summary(rows=10, answered=3, failed=1, usd=1.5, done_now=4, models={"m": (2, 5.0)})
    summary.failures["timeout"] += 2
    summary.costs.add(0.5)
    summary.latencies.add(1.0)
    with shown:
        shown.update(summary)
    for figure in ("4/10", "rows/s", "$1.50 of about $4.50", "failed: 1", "timeout 2", "slowest: m, 2.5 s"):
        assert figure in screen.getvalue()
