"""What a batch has done so far, in one SQLite file beside its output, so that nothing is asked or written twice.

A row's result is committed when it is there. What is written to the output is read from here, and how far that came is
committed too: a process may be killed at any moment, and the next one goes on.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from filelock import FileLock, Timeout

from moa_graph.errors import InputError, MoaError

__all__ = ["Finished", "Journal", "JournalFull"]

VERSION = "1"

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

ROWS_AT_ONCE = 500


class JournalFull(MoaError, RuntimeError):
    """The journal can't be written, mostly since the disk is full; what was committed before is safe."""


@dataclass(frozen=True)
class Finished:
    """A row that is done with.

    Args:
        number: Place in the order in which rows were finished.
        id: Of the row.
        place: Of the row in the input.
        status: Whether it was answered.
        result: What the output says of it.
    """

    number: int
    id: str
    place: int
    status: Literal["answered", "failed"]
    result: dict[str, Any]


class Journal:
    """The journal of one output, held by one process at a time.

    Args:
        path: The file; made if it doesn't exist.

    Raises:
        InputError: Another process writes the same output, or the file is no journal.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(f"{path}.lock", timeout=0)
        try:
            self._lock.acquire()
        except Timeout:
            raise InputError(f"{path}: another process is writing this output now; wait for its end") from None
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._connection.executescript(_SET_UP)
        except sqlite3.Error as error:
            self._lock.release()
            raise InputError(f"{path}: {error}. It is no journal of a batch: name another output") from error

    def bind(self, facts: Mapping[str, str]) -> bool:
        """Says what the batch is, or checks that it is the one that the journal was begun for.

        Args:
            facts: Name to value, such as the mixture and the input.

        Returns:
            Whether the batch goes on from an earlier try.

        Raises:
            InputError: The journal is of another batch; the message names what differs.
        """
        wanted = {"version": VERSION, **facts}
        known = dict(self._connection.execute("SELECT name, value FROM facts"))
        differing = [name for name, value in wanted.items() if known and known.get(name) != value]
        if differing:
            raise InputError(
                f"{self.path} belongs to a batch with another {' and another '.join(differing)}. Name another output, "
                "or remove this file to begin anew (what was paid stays in the store of calls)"
            )
        with self._writing():
            self._connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", wanted.items())
        return bool(known)

    def has_place(self, place: int) -> bool:
        """Whether the row that stands there in the input is done with."""
        found = self._connection.execute("SELECT 1 FROM results WHERE place = ?", (place,)).fetchone()
        return found is not None

    def place_of(self, identity: str) -> int | None:
        """Where in the input the row that is done with stood."""
        found = self._connection.execute("SELECT place FROM results WHERE id = ?", (identity,)).fetchone()
        return None if found is None else int(found[0])

    def finish(self, identity: str, place: int, status: str, result: Mapping[str, Any]) -> None:
        """Keeps the result of a row, in place of an earlier one, from the next :meth:`commit` on.

        A result that a kill takes with it is found again by its calls, which are in their store.
        """
        text = json.dumps(result, ensure_ascii=False)
        with self._writing(commit=False):
            self._connection.execute(
                "INSERT OR REPLACE INTO results (id, place, status, result) VALUES (?, ?, ?, ?)",
                (identity, place, status, text),
            )

    def commit(self) -> None:
        """Makes sure of the results that were kept so far."""
        if self._connection.in_transaction:
            with self._writing():
                pass

    def forget_failed(self) -> int:
        """Has failed rows asked again, and the output written anew; says how many."""
        with self._writing():
            forgotten = self._connection.execute("DELETE FROM results WHERE status = 'failed'").rowcount
            if forgotten:
                self._connection.execute("DELETE FROM facts WHERE name = 'written'")
        return forgotten

    def finished(self, after: int = 0, *, ordered: bool = False) -> Iterator[Finished]:
        """What is done with, some rows at a time.

        Args:
            after: Only rows that were finished after this number.
            ordered: In the input's order instead of that in which they were finished.
        """
        column, last = ("place", -1) if ordered else ("number", after)
        while True:
            rows = self._connection.execute(
                f"SELECT number, id, place, status, result FROM results WHERE {column} > ? ORDER BY {column} LIMIT ?",
                (last, ROWS_AT_ONCE),
            ).fetchall()
            for number, identity, place, status, result in rows:
                yield Finished(number, identity, place, status, json.loads(result))
            if len(rows) < ROWS_AT_ONCE:
                return
            last = rows[-1][2] if ordered else rows[-1][0]

    def note_repeated(self, place: int) -> bool:
        """Keeps that a row says the same as an earlier one; False where that is known."""
        with self._writing():
            added = self._connection.execute("INSERT OR IGNORE INTO repeated VALUES (?)", (place,)).rowcount
        return bool(added)

    def repeated(self) -> int:
        """Rows that say the same as an earlier one."""
        return int(self._connection.execute("SELECT COUNT(*) FROM repeated").fetchone()[0])

    def counts(self) -> dict[str, int]:
        """Rows by status."""
        return dict(self._connection.execute("SELECT status, COUNT(*) FROM results GROUP BY status"))

    def written(self) -> tuple[int, int]:
        """Number of the last result in the output, and the output's length in bytes then."""
        found = self._connection.execute("SELECT value FROM facts WHERE name = 'written'").fetchone()
        number, length = (0, 0) if found is None else json.loads(found[0])
        return number, length

    def note_written(self, number: int, length: int) -> None:
        """Keeps how far the output is written."""
        with self._writing():
            self._connection.execute(
                "INSERT OR REPLACE INTO facts VALUES ('written', ?)", (json.dumps([number, length]),)
            )

    def intend(self, row: str, calls: int, usd: float) -> int:
        """Keeps that requests which may cost so much are about to be sent, and gives that note's number."""
        with self._writing():
            added = self._connection.execute(
                "INSERT INTO spending (row, calls, usd, settled) VALUES (?, ?, ?, 0)", (row, calls, usd)
            )
        return int(added.lastrowid or 0)

    def settle(self, number: int, calls: int, usd: float) -> None:
        """Keeps how many requests were sent and what they have cost, in US dollars."""
        with self._writing():
            self._connection.execute(
                "UPDATE spending SET calls = ?, usd = ?, settled = 1 WHERE number = ?", (calls, usd, number)
            )

    def spent(self) -> tuple[int, float]:
        """Requests and US dollars so far; of a request that a kill has left open, the most that it may have cost."""
        sums = "SELECT COALESCE(SUM(calls), 0), COALESCE(SUM(usd), 0) FROM spending"
        calls, usd = self._connection.execute(sums).fetchone()
        return int(calls), float(usd)

    def open_job(self, token: str, member: str, lines: Sequence[tuple[str, str, str]], most: float) -> None:
        """Keeps that a job is about to be submitted.

        Args:
            token: Our own name for it.
            member: Reference of a model that it asks.
            lines: What the provider calls each request by, its key in the store, and the model's reference.
            most: The most US dollars that it may cost.
        """
        with self._writing():
            added = self._connection.execute(
                "INSERT INTO spending (row, calls, usd, settled) VALUES (?, ?, ?, 0)",
                (f"job {token}", len(lines), most),
            )
            self._connection.execute(
                "INSERT OR REPLACE INTO jobs VALUES (?, '', ?, ?, 1)", (token, member, added.lastrowid)
            )
            self._connection.executemany("INSERT OR REPLACE INTO job_lines VALUES (?, ?, ?)", lines)

    def note_job(self, token: str, identity: str) -> None:
        """Keeps the provider's name for a job that was submitted."""
        with self._writing():
            self._connection.execute("UPDATE jobs SET id = ? WHERE token = ?", (identity, token))

    def open_jobs(self) -> list[tuple[str, str, str]]:
        """Token, provider's name (empty where that isn't known) and model of each job that isn't collected."""
        return self._connection.execute("SELECT token, id, member FROM jobs WHERE open = 1").fetchall()

    def close_job(self, token: str, calls: int = 0, usd: float = 0.0) -> None:
        """Keeps that a job is collected, and what it has cost."""
        with self._writing():
            self._connection.execute(
                "UPDATE spending SET calls = ?, usd = ?, settled = 1 "
                "WHERE number = (SELECT spending FROM jobs WHERE token = ?)",
                (calls, usd, token),
            )
            self._connection.execute("UPDATE jobs SET open = 0 WHERE token = ?", (token,))

    def line_of(self, custom_id: str) -> tuple[str, str]:
        """Key and model's reference of a request in a job; empty where the line isn't ours."""
        found = self._connection.execute(
            "SELECT key, member FROM job_lines WHERE custom_id = ?", (custom_id,)
        ).fetchone()
        return ("", "") if found is None else (str(found[0]), str(found[1]))

    def close(self) -> None:
        """Makes sure of all results, and lets go of the file."""
        try:
            self.commit()
        finally:
            self._connection.close()
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _writing(self, *, commit: bool = True) -> _Transaction:
        return _Transaction(self._connection, self.path, commit)


class _Transaction:
    """One transaction, or a part of one; what can't be written is told as what it mostly is, a full disk."""

    def __init__(self, connection: sqlite3.Connection, path: Path, commit: bool) -> None:
        self._connection = connection
        self._path = path
        self._commit = commit

    def __enter__(self) -> None:
        if not self._connection.in_transaction:
            self._do("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if kind is None:
            if self._commit:
                self._do("COMMIT")
            return
        if self._connection.in_transaction:
            self._connection.rollback()
        if isinstance(error, sqlite3.Error):
            raise self._told(error) from error

    def _do(self, statement: str) -> None:
        try:
            self._connection.execute(statement)
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.rollback()
            raise self._told(error) from error

    def _told(self, error: sqlite3.Error) -> JournalFull:
        return JournalFull(
            f"{self._path} can't be written: {error}. What was answered before is safe: make room and run the same "
            "command again"
        )
