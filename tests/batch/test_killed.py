"""A batch that is killed again and again: every id once, and nothing that was paid is paid again."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

import pytest

from moa_graph.server.simulator import running_simulator
from tests.batch.panel import (
    KEY,
    NAMES,
    killed_again_and_again,
    profiles,
    random_counts,
    read_lines,
    run_command,
    write_mixture,
    write_rows,
)

_log = logging.getLogger(__name__)

CONCURRENCY = 16
MOST_IN_FLIGHT = CONCURRENCY * (len(NAMES) - 1)


def kill_and_resume(folder: Path, rows: int, kills: int, low: int, high: int) -> None:
    written = write_rows(folder / "in.jsonl", rows)
    output = folder / "out.jsonl"
    with running_simulator(profiles(), KEY) as simulator:
        mixture = write_mixture(folder / "panel.yaml", simulator)
        ended = killed_again_and_again(
            [written, output, "--mixture", mixture], simulator, random_counts(kills, low, high)
        )
        counted = simulator.stats()["total"]
    assert ended.returncode == 0, ended.stderr
    ids = Counter(line["id"] for line in read_lines(output))
    assert ids == {f"row-{index}": 1 for index in range(rows)}
    assert all(line["answer"].endswith(f"Answer: {int(line['id'][4:]) * 7 + 1}") for line in read_lines(output))
    more = counted["requests"] - rows * len(NAMES)
    _log.info("%d rows, %d kills: %d requests, %d more than one run", rows, kills, counted["requests"], more)
    assert counted["requests"] <= rows * len(NAMES) + kills * MOST_IN_FLIGHT


@pytest.mark.slow
def test_a_batch_that_is_killed_goes_on_where_it_stopped(tmp_path: Path) -> None:
    kill_and_resume(tmp_path, rows=80, kills=2, low=20, high=250)


@pytest.mark.acceptance
@pytest.mark.timeout(3600)
def test_ten_thousand_rows_survive_thirty_kills(tmp_path: Path) -> None:
    kill_and_resume(tmp_path, rows=10_000, kills=30, low=10, high=2_500)


def dollars_are_kept(folder: Path, rows: int, kills: int, low: int, high: int, usd: float) -> None:
    written = write_rows(folder / "in.jsonl", rows)
    output = folder / "out.jsonl"
    with running_simulator(profiles(), KEY) as simulator:
        mixture = write_mixture(folder / "panel.yaml", simulator)
        arguments: list[str | Path] = [written, output, "--mixture", mixture, "--until-spent"]
        stopped = killed_again_and_again([*arguments, "--usd", str(usd)], simulator, random_counts(kills, low, high))
        spent = simulator.stats()["total"]["cost"]
        assert spent <= usd
        assert stopped.returncode == 1
        assert " left" in stopped.stderr
        assert "Run the same command again to continue" in stopped.stderr
        answered = len(read_lines(output))
        assert 0 < answered < rows
        ended = run_command(*arguments, "--usd", str(usd * 100))
        spent_in_all = simulator.stats()["total"]["cost"]
    _log.info("%d of %d rows for $%.4f of $%g; $%.4f in all", answered, rows, spent, usd, spent_in_all)
    assert ended.returncode == 0, ended.stderr
    assert Counter(line["id"] for line in read_lines(output)) == {f"row-{index}": 1 for index in range(rows)}


@pytest.mark.slow
def test_a_limit_in_dollars_holds_by_the_servers_own_count(tmp_path: Path) -> None:
    dollars_are_kept(tmp_path, rows=80, kills=1, low=20, high=100, usd=0.03)


@pytest.mark.acceptance
@pytest.mark.timeout(3600)
def test_a_limit_in_dollars_holds_over_ten_thousand_rows_and_thirty_kills(tmp_path: Path) -> None:
    dollars_are_kept(tmp_path, rows=10_000, kills=30, low=10, high=1_000, usd=3.75)
