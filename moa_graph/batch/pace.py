"""How many rows are in flight at once: fewer while the provider refuses calls, more again while it doesn't."""

from __future__ import annotations

import asyncio

__all__ = ["RowPace"]

BACKOFF = 0.5
"""What is left of the pace after a row whose calls were refused: additive increase, multiplicative decrease."""


class RowPace:
    """Decides when rows may start.

    Args:
        most: Rows in flight at once when nothing is refused.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._allowed = float(most)
        self._inside = 0
        self._changed = asyncio.Event()

    @property
    def allowed(self) -> int:
        """Rows that may be in flight now."""
        return max(int(self._allowed), 1)

    async def enter(self) -> None:
        """Waits until one more row may start; :meth:`leave` has to follow."""
        while self._inside >= self.allowed:
            self._changed.clear()
            await self._changed.wait()
        self._inside += 1

    def leave(self, *, refused: bool = False) -> None:
        """A row has ended.

        Args:
            refused: Whether the provider refused some of its calls for now (HTTP 429).
        """
        self._inside -= 1
        if refused:
            self._allowed = max(self._allowed * BACKOFF, 1.0)
        else:
            self._allowed = min(self._allowed + 1 / self._allowed, float(self._most))
        self._changed.set()
