"""What a batch has done so far, in one SQLite file beside its output, so nothing is asked or written twice.

A row's result is committed when it arrives. The output is written from here, and how far it is written is committed
too: a process may be killed at any moment, and the next one resumes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from moa_graph.batch.journal_file import JournalFile
from moa_graph.batch.spending import Spending
from moa_graph.batch.submitted import SubmittedJobs
from moa_graph.errors import InputError

__all__ = ["Finished", "Journal"]

VERSION = "1"

ROWS_AT_ONCE = 500


@dataclass(frozen=True)
class Finished:
    """A finished row.

    Args:
        number: Place in the order in which rows were finished.
        id: The row's identity.
        place: The row's place in the input.
        status: Whether it was answered.
        result: What the output says about it.
    """

    number: int
    id: str
    place: int
    status: Literal["answered", "failed"]
    result: dict[str, Any]


class Journal:
    """The journal of one output, held by one process at a time.

    Args:
        path: The file; created if it doesn't exist.

    Raises:
        InputError: Another process writes the same output, or the file isn't a journal.
    """

    def __init__(self, path: Path) -> None:
        self._file = JournalFile(path)
        self.spending = Spending(self._file)
        self.jobs = SubmittedJobs(self._file)
        self._kept: dict[str, tuple[str, int, str, str]] = {}

    def bind(self, facts: Mapping[str, str]) -> bool:
        """Records what the batch is, or checks that the journal was started for it.

        Args:
            facts: Name to value, such as the mixture and the input.

        Returns:
            Whether the batch resumes an earlier run.

        Raises:
            InputError: The journal is of another batch; the message names what differs.
        """
        wanted = {"version": VERSION, **facts}
        known = dict(self._file.rows("SELECT name, value FROM facts"))
        differing = [name for name, value in wanted.items() if known and known.get(name) != value]
        if differing:
            raise InputError(
                f"{self._file.path} belongs to a batch with another {' and another '.join(differing)}. Name another "
                "output, or remove this file to start over (paid calls stay in the store)"
            )
        with self._file.writing() as connection:
            connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", wanted.items())
        return bool(known)

    def has_place(self, place: int) -> bool:
        """Whether the row at this place in the input is finished."""
        if any(place == kept for _, kept, _, _ in self._kept.values()):
            return True
        return self._file.first("SELECT 1 FROM results WHERE place = ?", (place,)) is not None

    def place_of(self, identity: str) -> int | None:
        """The place in the input of a finished row."""
        if identity in self._kept:
            return self._kept[identity][1]
        found = self._file.first("SELECT place FROM results WHERE id = ?", (identity,))
        return None if found is None else int(found[0])

    def finish(self, identity: str, place: int, status: str, result: Mapping[str, Any]) -> None:
        """Stores the result of a row, replacing an earlier one, with the next :meth:`commit`.

        A result lost to a kill is made again from its calls, which are in the store.
        """
        self._kept[identity] = identity, place, status, json.dumps(result, ensure_ascii=False)

    def commit(self) -> None:
        """Commits the results stored so far."""
        if not self._kept:
            return
        with self._file.writing() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO results (id, place, status, result) VALUES (?, ?, ?, ?)", self._kept.values()
            )
        self._kept.clear()

    def forget_failed(self) -> int:
        """Marks failed rows to be asked again, and the output to be rewritten; returns how many rows."""
        with self._file.writing() as connection:
            forgotten = connection.execute("DELETE FROM results WHERE status = 'failed'").rowcount
            if forgotten:
                connection.execute("DELETE FROM facts WHERE name = 'written'")
        return forgotten

    def finished(self, after: int = 0, *, ordered: bool = False) -> Iterator[Finished]:
        """The finished rows, some at a time.

        Args:
            after: Only rows that were finished after this number.
            ordered: In the input's order instead of that in which they were finished.
        """
        self.commit()
        column, last = ("place", -1) if ordered else ("number", after)
        while True:
            rows = self._file.rows(
                f"SELECT number, id, place, status, result FROM results WHERE {column} > ? ORDER BY {column} LIMIT ?",
                (last, ROWS_AT_ONCE),
            )
            for number, identity, place, status, result in rows:
                yield Finished(number, identity, place, status, json.loads(result))
            if len(rows) < ROWS_AT_ONCE:
                return
            last = rows[-1][2] if ordered else rows[-1][0]

    def note_repeated(self, place: int) -> bool:
        """Records that a row repeats an earlier one; False where that is known."""
        with self._file.writing() as connection:
            added = connection.execute("INSERT OR IGNORE INTO repeated VALUES (?)", (place,)).rowcount
        return bool(added)

    def repeated(self) -> int:
        """Rows that repeat an earlier one."""
        return int(self._file.first("SELECT COUNT(*) FROM repeated")[0])

    def counts(self) -> dict[str, int]:
        """Rows by status."""
        self.commit()
        return dict(self._file.rows("SELECT status, COUNT(*) FROM results GROUP BY status"))

    def written(self) -> tuple[int, int]:
        """Number of the last result in the output, and the output's length in bytes then."""
        found = self._file.first("SELECT value FROM facts WHERE name = 'written'")
        number, length = (0, 0) if found is None else json.loads(found[0])
        return number, length

    def note_written(self, number: int, length: int) -> None:
        """Records how far the output is written."""
        with self._file.writing() as connection:
            connection.execute("INSERT OR REPLACE INTO facts VALUES ('written', ?)", (json.dumps([number, length]),))

    def close(self) -> None:
        """Commits all results, and closes the file."""
        try:
            self.commit()
        finally:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
