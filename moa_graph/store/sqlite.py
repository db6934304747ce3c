"""A store in one SQLite file, for several processes at once."""

from __future__ import annotations

import json
import sqlite3
from functools import partial
from pathlib import Path
from typing import cast

from typing_extensions import override

from moa_graph.errors import MixtureError
from moa_graph.store.backend import PATIENCE_SECONDS, Backend, Worker, file_lock
from moa_graph.store.entry import Entry

__all__ = ["SQLiteBackend"]

_SET_UP = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS moa_calls (key TEXT PRIMARY KEY, entry TEXT NOT NULL);
"""
_GET = "SELECT entry FROM moa_calls WHERE key = ?"
_PUT = "INSERT OR REPLACE INTO moa_calls (key, entry) VALUES (?, ?)"


class SQLiteBackend(Backend):
    """Keeps entries in the table ``moa_calls`` of a SQLite file on a local disk.

    A write-ahead log lets processes read while one writes. What was put survives the kill of any process; a
    loss of power may take the last entries, never the file.

    Args:
        path: The file; made if it doesn't exist.

    Raises:
        MixtureError: The file can't be opened, or isn't a SQLite database.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = _connect(path)
        self._worker = Worker(f"store {path}")

    @override
    async def get(self, key: str) -> Entry | None:
        return await self._worker.run(partial(self._get, key))

    @override
    async def put(self, key: str, entry: Entry) -> None:
        await self._worker.run(partial(self._put, key, json.dumps(entry)))

    @override
    async def aclose(self) -> None:
        await self._worker.aclose(self._connection.close)

    @override
    def close(self) -> None:
        self._worker.close(self._connection.close)

    def _get(self, key: str) -> Entry | None:
        try:
            row = self._connection.execute(_GET, (key,)).fetchone()
        except sqlite3.Error as error:
            raise OSError(f"{self._path}: {error}") from error
        return None if row is None else cast(Entry, json.loads(row[0]))

    def _put(self, key: str, text: str) -> None:
        try:
            self._connection.execute(_PUT, (key, text))
        except sqlite3.Error as error:
            raise OSError(f"{self._path}: {error}") from error


def _connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit; opened here and used in the worker's thread alone from then on."""
    connection = None
    try:
        connection = sqlite3.connect(path, timeout=PATIENCE_SECONDS, isolation_level=None, check_same_thread=False)
        with file_lock(path):  # SQLite refuses two switches to the write-ahead log at once, without waiting
            connection.executescript(_SET_UP)
    except (sqlite3.Error, OSError) as error:
        if connection is not None:
            connection.close()
        raise MixtureError(f"store {path}: {error}. Name a SQLite file, or one that doesn't exist yet") from error
    return connection
