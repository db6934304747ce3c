"""What a batch has spent, recorded before each request is sent, so no kill hides any of it."""

from __future__ import annotations

from moa_graph.batch.journal_file import JournalFile

__all__ = ["Spending"]


class Spending:
    """Requests and US dollars over all runs of a batch.

    Args:
        file: Where they are stored.
    """

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    def intend(self, row: str, calls: int, usd: float) -> int:
        """Records that requests of at most this cost are about to be sent, and returns the record's number."""
        with self._file.writing() as connection:
            added = connection.execute(
                "INSERT INTO spending (row, calls, usd, settled) VALUES (?, ?, ?, 0)", (row, calls, usd)
            )
        return int(added.lastrowid or 0)

    def settle(self, number: int, calls: int, usd: float) -> None:
        """Records how many requests were sent and what they cost, in US dollars."""
        with self._file.writing() as connection:
            connection.execute(
                "UPDATE spending SET calls = ?, usd = ?, settled = 1 WHERE number = ?", (calls, usd, number)
            )

    def total(self) -> tuple[int, float]:
        """Requests and US dollars so far; a request left open by a kill counts with the most that it may have cost."""
        calls, usd = self._file.first("SELECT COALESCE(SUM(calls), 0), COALESCE(SUM(usd), 0) FROM spending")
        return int(calls), float(usd)
