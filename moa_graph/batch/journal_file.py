"""The file in which a batch keeps what it has done: one SQLite file, held by one process at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from moa_graph.errors import InputError, MoaError

__all__ = ["JournalFile", "JournalFull"]

_SET_UP = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS results (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    place INTEGER NOT NULL,
    status TEXT NOT NULL,
    result TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS results_by_place ON results (place);
CREATE TABLE IF NOT EXISTS repeated (place INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS jobs (
    token TEXT PRIMARY KEY, id TEXT NOT NULL, member TEXT NOT NULL, spending INTEGER NOT NULL, open INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS job_lines (custom_id TEXT PRIMARY KEY, key TEXT NOT NULL, member TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS spending (
    number INTEGER PRIMARY KEY,
    row TEXT NOT NULL,
    calls INTEGER NOT NULL,
    usd REAL NOT NULL,
    settled INTEGER NOT NULL
);
"""


class JournalFull(MoaError, RuntimeError):
    """The journal can't be written, usually because the disk is full; what was committed before is safe."""


class JournalFile:
    """The file, and its lock.

    Args:
        path: The file; created if it doesn't exist.

    Raises:
        InputError: Another process writes the same output, or the file isn't a journal.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(f"{path}.lock", timeout=0)
        try:
            self._lock.acquire()
        except Timeout:
            raise InputError(f"{path}: another process is writing this output: wait for it to end") from None
        try:
            self._connection = _opened(path)
        except sqlite3.Error as error:
            self._lock.release()
            raise InputError(f"{path}: {error}. This isn't a batch's journal: name another output") from error

    def rows(self, query: str, values: Iterable[Any] = ()) -> list[Any]:
        """What a query finds."""
        return self._connection.execute(query, tuple(values)).fetchall()

    def first(self, query: str, values: Iterable[Any] = ()) -> Any:
        """The first row that a query finds; None where there is none."""
        return self._connection.execute(query, tuple(values)).fetchone()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, committed at its end.

        Raises:
            JournalFull: It couldn't be written; none of it was.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.rollback()
            if isinstance(error, sqlite3.Error):
                raise JournalFull(
                    f"{self.path} can't be written: {error}. What was answered before is safe: free some space and run "
                    "the same command again"
                ) from error
            raise

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()
        self._lock.release()


def _opened(path: Path) -> sqlite3.Connection:
    """A connection to a journal that has all its tables."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.executescript(_SET_UP)
    except sqlite3.Error:
        connection.close()
        raise
    return connection
