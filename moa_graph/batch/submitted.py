"""Jobs that a batch has submitted to providers, so a restarted command picks them up."""

from __future__ import annotations

from collections.abc import Sequence

from moa_graph.batch.journal_file import JournalFile

__all__ = ["SubmittedJobs"]


class SubmittedJobs:
    """The jobs of all runs of a batch.

    Args:
        file: Where they are stored.
    """

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    def open(self, token: str, member: str, lines: Sequence[tuple[str, str, str]], most: float) -> None:
        """Records that a job is about to be submitted.

        Args:
            token: Our own name for it.
            member: Reference of a model that it asks.
            lines: Each request's name at the provider, its key in the store, and the model's reference.
            most: The most that it may cost, in US dollars.
        """
        with self._file.writing() as connection:
            added = connection.execute(
                "INSERT INTO spending (row, calls, usd, settled) VALUES (?, ?, ?, 0)",
                (f"job {token}", len(lines), most),
            )
            connection.execute("INSERT OR REPLACE INTO jobs VALUES (?, '', ?, ?, 1)", (token, member, added.lastrowid))
            connection.executemany("INSERT OR REPLACE INTO job_lines VALUES (?, ?, ?)", lines)

    def note_name(self, token: str, identity: str) -> None:
        """Records the provider's name for a submitted job."""
        with self._file.writing() as connection:
            connection.execute("UPDATE jobs SET id = ? WHERE token = ?", (identity, token))

    def all_open(self) -> list[tuple[str, str, str]]:
        """Token, provider's name (empty where unknown) and model of each job that isn't collected."""
        return self._file.rows("SELECT token, id, member FROM jobs WHERE open = 1")

    def close(self, token: str, calls: int = 0, usd: float = 0.0) -> None:
        """Records that a job is collected, and its cost."""
        with self._file.writing() as connection:
            connection.execute(
                "UPDATE spending SET calls = ?, usd = ?, settled = 1 "
                "WHERE number = (SELECT spending FROM jobs WHERE token = ?)",
                (calls, usd, token),
            )
            connection.execute("UPDATE jobs SET open = 0 WHERE token = ?", (token,))

    def line(self, custom_id: str) -> tuple[str, str]:
        """Key and model's reference of a request in a job; empty where the line isn't ours."""
        found = self._file.first("SELECT key, member FROM job_lines WHERE custom_id = ?", (custom_id,))
        return ("", "") if found is None else (str(found[0]), str(found[1]))
