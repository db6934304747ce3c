"""Eight processes at once on one file, killed at random: nothing is corrupt, nothing reported as stored is lost."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from moa_graph.store import open_store
from tests.store.killed_writers import KILLS, written

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Gone after the test: it holds some hundred megabytes, which ``tmp_path`` would keep."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def write_and_kill(path: Path) -> list[str]:
    command = [sys.executable, "-m", "tests.store.killed_writers", str(path)]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.split()


@pytest.mark.parametrize("name", ["calls.sqlite", "calls.jsonl"])
async def test_no_entry_is_lost_that_a_killed_process_had_reported(folder: Path, name: str) -> None:
    path = folder / name
    keys = write_and_kill(path)
    assert len(keys) >= KILLS
    if name == "calls.sqlite":
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    async with open_store(path) as store:
        assert [key for key in keys if await store.backend.get(key) != written(key)] == []
        await store.backend.put("after-1", written("after-1"))
        assert await store.backend.get("after-1") == written("after-1")
