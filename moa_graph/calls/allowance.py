"""So much a minute: in any sixty seconds, wherever they begin.

A leaky bucket, as rate limiters mostly are, lets nearly twice as much through in the first minute, and a provider that
counts by the minute refuses the rest.
"""

from __future__ import annotations

import math
from collections import deque

__all__ = ["Allowance"]

MINUTE = 60.0


class Allowance:
    """What may be taken in any minute, by the clock of whoever asks.

    Args:
        most: How much; None is no limit.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most: float = math.inf
        self._taken: deque[tuple[float, float]] = deque()
        self._sum = 0.0
        self.narrow(most)

    def narrow(self, most: int | None) -> None:
        """Allows no more than ``most`` from now on."""
        self._most = min(self._most, math.inf if most is None else most)

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit at all."""
        return self._most < math.inf

    def free_at(self, amount: float, now: float) -> float:
        """When so much may be taken. More than a minute's whole allowance counts as the whole."""
        amount = min(amount, self._most)
        while self._taken and self._taken[0][0] + MINUTE <= now:
            self._sum -= self._taken.popleft()[1]
        room = self._most - self._sum
        if amount <= room:
            return now
        for when, taken in self._taken:
            room += taken
            if amount <= room:
                return when + MINUTE
        return now

    def take(self, amount: float, now: float) -> None:
        """Takes so much."""
        if self.is_limited:
            amount = min(amount, self._most)
            self._taken.append((now, amount))
            self._sum += amount
