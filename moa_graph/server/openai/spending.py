"""What each key has spent today, in a file that outlives the server, however it ends."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from moa_graph.errors import OptionsError

__all__ = ["SpendingByKey"]

KEPT_DAYS = 90


class SpendingByKey:
    """US dollars by key and day (UTC). Every call is written as soon as it is known, so a kill loses none.

    Several servers may share one file.

    Args:
        path: The file; None keeps it in memory.
        clock: Tells the time.

    Raises:
        OptionsError: The file can't be used.
    """

    def __init__(self, path: Path | None = None, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch(mode=0o600, exist_ok=True)
            self._database = sqlite3.connect(
                path or ":memory:",
                isolation_level=None,
                timeout=10,
                check_same_thread=False,  # opened before the server's loop runs, used in it alone
            )
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS spending "
                "(owner TEXT, day TEXT, usd REAL NOT NULL, PRIMARY KEY (owner, day)) WITHOUT ROWID"
            )
            oldest = (clock() - timedelta(days=KEPT_DAYS)).date().isoformat()
            self._database.execute("DELETE FROM spending WHERE day < ?", (oldest,))
        except (OSError, sqlite3.Error) as error:
            raise OptionsError(f"{path}: spending can't be recorded there: {error}") from error

    def add(self, owner: str, usd: float) -> None:
        """A call was paid for."""
        self._database.execute(
            "INSERT INTO spending VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET usd = usd + excluded.usd",
            (owner, self._today(), usd),
        )

    def today(self, owner: str) -> float:
        """US dollars that a key has spent today."""
        found = self._database.execute(
            "SELECT usd FROM spending WHERE owner = ? AND day = ?", (owner, self._today())
        ).fetchone()
        return float(found[0]) if found else 0.0

    def seconds_left(self) -> int:
        """Seconds until the next day."""
        now = self._clock()
        midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), tzinfo=UTC)
        return max(1, int((midnight - now).total_seconds()))

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def _today(self) -> str:
        return self._clock().date().isoformat()
