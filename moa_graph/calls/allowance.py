"""So much a minute: in any sixty seconds, wherever they begin.

A leaky bucket, as rate limiters mostly are, lets nearly twice as much through in the first minute, and a provider that
counts by the minute refuses the rest.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

__all__ = ["Allowance", "Taken", "arrived"]

MINUTE = 60.0

LONGEST_WAY = 2.0
"""Seconds that a call is reckoned to take to its provider at the most, on a machine that is busy."""


@dataclass(slots=True)
class Taken:
    """What was taken.

    Args:
        when: By the clock of whoever took it.
        amount: How much.
    """

    when: float
    amount: float


class Allowance:
    """What may be taken in any minute, by the clock of whoever asks.

    Args:
        most: How much; None is no limit.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most: float = math.inf
        self._taken: deque[Taken] = deque()
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
        while self._taken and self._taken[0].when + MINUTE <= now:
            self._sum -= self._taken.popleft().amount
        room = self._most - self._sum
        if amount <= room:
            return now
        latest = -math.inf
        for taken in self._taken:
            room += taken.amount
            latest = max(latest, taken.when)
            if amount <= room:
                return latest + MINUTE
        return now

    def take(self, amount: float, now: float) -> Taken | None:
        """Takes so much; None where there is no limit that would count it."""
        if not self.is_limited:
            return None
        taken = Taken(now, min(amount, self._most))
        self._taken.append(taken)
        self._sum += taken.amount
        return taken


def arrived(taken: Taken | None, now: float) -> None:
    """Counts what was taken from when the provider had it: at ``now`` at the latest, as it has answered.

    Its minute begins there, and not when the call was let go. Of a call that takes long to be answered, it isn't known
    when it arrived: a short way is reckoned with.
    """
    if taken is not None:
        taken.when = max(taken.when, min(now, taken.when + LONGEST_WAY))
