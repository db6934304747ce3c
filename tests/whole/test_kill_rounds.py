"""Runs killed at random moments; 200 of them: ``python -m tests.whole.killing --rounds 200 --postgres ADDRESS``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.agents.test_acceptance_hosts import postgresql

__all__ = ["postgresql"]


@pytest.mark.acceptance
def test_nothing_that_was_saved_is_lost_or_paid_twice(postgresql: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.whole.killing", "--rounds", "24", "--seed", "7", "--postgres", postgresql],
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
        timeout=900,
    )
    rows = [line.strip("| ").split(" | ") for line in ended.stdout.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == 12
    assert all(row[-1] == "0" for row in rows), ended.stdout
