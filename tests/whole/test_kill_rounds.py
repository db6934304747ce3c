"""Runs killed at random moments; 200 of them: ``python -m tests.whole.killing --rounds 200 --postgres ADDRESS``."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.databases import postgresql


@pytest.fixture
def database() -> Iterator[str]:
    pytest.importorskip("langgraph.checkpoint.postgres", reason="pip install langgraph-checkpoint-postgres")
    with postgresql() as address:
        yield address


@pytest.mark.acceptance
@pytest.mark.timeout(900)
def test_nothing_that_was_saved_is_lost_or_paid_twice(database: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.whole.killing", "--rounds", "24", "--seed", "7", "--postgres", database],
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
        timeout=900,
    )
    rows = [line.strip("| ").split(" | ") for line in ended.stdout.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == 12
    assert all(row[-1] == "0" for row in rows), ended.stdout
