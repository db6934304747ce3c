"""A store in one SQLite file, for several processes at once."""

from __future__ import annotations

import itertools
import json
import logging
import sqlite3
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

from typing_extensions import override

from moa_graph.errors import MixtureError
from moa_graph.store.backend import PATIENCE_SECONDS, Backend, file_lock
from moa_graph.store.entry import Entry
from moa_graph.store.worker import Worker

__all__ = ["SQLiteBackend"]

_log = logging.getLogger(__name__)

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
        read_only: Whether nothing is ever put: the disk may then be one that can't be written.

    Raises:
        MixtureError: The file can't be opened, or isn't a SQLite database.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        self._open = partial(_open_for_reading if read_only else _open, path)
        self._connection: sqlite3.Connection | None = self._open()
        self._worker = Worker(f"store {path}", self)

    @override
    async def get(self, key: str) -> Entry | None:
        return await self._worker.run(partial(self._get, key))

    @override
    async def put(self, key: str, entry: Entry) -> None:
        await self._worker.run(partial(self._run, _PUT, (key, json.dumps(entry))))

    @override
    async def aclose(self) -> None:
        await self._worker.aclose()

    @override
    def close(self) -> None:
        self._worker.close()

    def let_go(self) -> None:
        """Closes the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def disown(self) -> None:
        """Leaves the connection to the parent."""
        _of_the_parent.append(self._connection)
        self._connection = None

    def _get(self, key: str) -> Entry | None:
        row = self._run(_GET, (key,)).fetchone()
        return None if row is None else cast(Entry, json.loads(row[0]))

    def _run(self, statement: str, values: tuple[str, ...]) -> sqlite3.Cursor:
        try:
            if self._connection is None:
                self._connection = self._open()
            return self._connection.execute(statement, values)
        except (sqlite3.Error, MixtureError) as error:
            raise OSError(f"{self._path}: {error}") from error


_of_the_parent: list[Any] = []
"""A connection that is closed in a forked child would end the parent's locks."""


def _open(path: Path) -> sqlite3.Connection:
    """A connection in autocommit, for one thread at a time."""
    try:
        with file_lock(path):  # SQLite refuses two switches to the write-ahead log at once, without waiting
            try:
                return _set_up(path)
            except sqlite3.DatabaseError as error:
                if not _is_damaged_store(path, error):
                    raise
                aside = _put_aside(path)
                _log.warning("store %s is damaged (%s): it is kept as %s, and a new one is begun", path, error, aside)
                return _set_up(path)
    except (sqlite3.Error, OSError) as error:
        raise MixtureError(f"store {path}: {error}. Name a SQLite file, or one that doesn't exist yet") from error


def _set_up(path: Path) -> sqlite3.Connection:
    connection = _connected(path.absolute().as_uri())
    try:
        connection.executescript(_SET_UP)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _is_damaged_store(path: Path, error: sqlite3.DatabaseError) -> bool:
    """Whether the file was a store, rather than that somebody has named another one by mistake."""
    damaged = error.sqlite_errorcode in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
    return damaged and b"moa_calls" in path.read_bytes()


def _put_aside(path: Path) -> Path:
    """Renames the file and SQLite's own beside it, and gives its new name."""
    names = (path.with_name(f"{path.name}.damaged-{number}") for number in itertools.count(1))
    aside = next(name for name in names if not name.exists())
    for end in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            Path(f"{path}{end}").rename(f"{aside}{end}")
    return aside


def _open_for_reading(path: Path) -> sqlite3.Connection:
    """A connection that writes nothing: neither entries nor, where the disk refuses them, files of SQLite's own."""
    uri = path.absolute().as_uri()
    try:
        return _tried(f"{uri}?mode=ro")
    except sqlite3.Error as error:
        if _is_unmerged(path):
            raise MixtureError(
                f"store {path}: {error}. A write-ahead log is beside it that a disk which can't be written can't show: "
                "open the file once where it can be written"
            ) from error
    try:
        return _tried(f"{uri}?mode=ro&immutable=1")
    except sqlite3.Error as error:
        raise MixtureError(f"store {path}: {error}. Name a SQLite file that holds a recording") from error


def _tried(uri: str) -> sqlite3.Connection:
    connection = _connected(uri)
    try:
        connection.execute(_GET, ("",)).fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _connected(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(uri, timeout=PATIENCE_SECONDS, isolation_level=None, check_same_thread=False, uri=True)


def _is_unmerged(path: Path) -> bool:
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0
