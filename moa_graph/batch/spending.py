"""What a batch has spent, noted before a request is sent, so that no kill hides any of it."""

from __future__ import annotations

from moa_graph.batch.journal_file import JournalFile

__all__ = ["Spending"]


class Spending:
    """Requests and US dollars of all tries together.

    Args:
        file: Where they are kept.
    """

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    def intend(self, row: str, calls: int, usd: float) -> int:
        """Notes that requests which may cost so much are about to be sent, and gives that note's number."""
        with self._file.writing() as connection:
            added = connection.execute(
                "INSERT INTO spending (row, calls, usd, settled) VALUES (?, ?, ?, 0)", (row, calls, usd)
            )
        return int(added.lastrowid or 0)

    def settle(self, number: int, calls: int, usd: float) -> None:
        """Notes how many requests were sent and what they have cost, in US dollars."""
        with self._file.writing() as connection:
            connection.execute(
                "UPDATE spending SET calls = ?, usd = ?, settled = 1 WHERE number = ?", (calls, usd, number)
            )

    def total(self) -> tuple[int, float]:
        """Requests and US dollars so far; of a request that a kill has left open, the most that it may have cost."""
        calls, usd = self._file.first("SELECT COALESCE(SUM(calls), 0), COALESCE(SUM(usd), 0) FROM spending")
        return int(calls), float(usd)
