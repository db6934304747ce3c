"""How many calls may be in flight at once, and from when on, after a provider has refused some.

How many may be in flight after a storm of refusals follows TCP's congestion control (RFC 5681, section 3.1), but begins
with the share of those in flight that were answered of late, at least with one: then there is one more for each call
that goes well, and above half of what was in flight at the refusal, one more for each full round. A refusal now and
then, beside many answers, is no storm: it holds calls back for as long as the provider asks, and no longer.
"""

from __future__ import annotations

import math
from typing import NamedTuple

__all__ = ["Pace", "Stamp"]

MOST_UNANSWERED = 10
"""Refusals in a row, without an answer between them, that are put down to the other calls in flight."""

NOISE = 0.25
"""Share of refusals among the last calls below which they don't say that there were too many."""

MEMORY = 0.95
"""Weight of the calls before the last one in that share."""


class Stamp(NamedTuple):
    """How a call went out.

    Args:
        storms: How many storms there had been.
        alone: Whether no other call had gone out since the last one had passed.
    """

    storms: int
    alone: bool


class Pace:
    """The pace of the calls to one model, or to all models of one provider."""

    def __init__(self) -> None:
        self.most: float = math.inf
        self.allowed: float = math.inf
        self.threshold: float = math.inf
        self.inside = 0
        self.storms = 0
        self.opens = -math.inf
        self._sent = 0
        self._has_answered = False
        self._unanswered = 0
        self._refused_share = 1.0

    def narrow(self, concurrency: int | None) -> None:
        """Lets no more than so many be in flight from now on; None changes nothing."""
        self.most = min(self.most, math.inf if concurrency is None else concurrency)
        self.allowed, self.threshold = min(self.allowed, self.most), min(self.threshold, self.most)

    def free_at(self, now: float) -> float:
        """When a call may go out, which is ``now`` or later; infinite where another has to end first."""
        return math.inf if self.inside + 1 > self.allowed else max(self.opens, now)

    def refuses(self, now: float) -> bool:
        """Whether it is the provider's refusals, rather than our own limits, that hold calls back."""
        return self.opens > now or self.inside + 1 > self.allowed < self.most

    def take(self) -> Stamp:
        """A call goes out; :meth:`leave` has to follow."""
        stamp = Stamp(self.storms, alone=self._sent == self.inside == 0)
        self.inside += 1
        self._sent += 1
        return stamp

    def leave(self) -> None:
        """A call has ended, well or not."""
        self.inside -= 1

    def went_well(self, stamp: Stamp) -> None:
        """A call was answered; one from before the last storm says nothing of what the provider allows now."""
        self._has_answered = True
        self._unanswered = 0
        self._refused_share *= MEMORY
        if stamp.storms == self.storms:
            step = 1 if self.allowed < self.threshold else 1 / self.allowed
            self.allowed = min(self.allowed + step, self.most)

    def was_refused(self, stamp: Stamp, opens: float, *, again: bool) -> bool:
        """A call was refused: nothing goes out until ``opens``, and then little. :meth:`leave` has to follow.

        Args:
            stamp: The call's. What all calls of one storm say counts once.
            opens: On the clock of the event loop.
            again: Whether the same call was to blame before.

        Returns:
            Whether the call is to blame, rather than that there were too many: always where there was never an answer,
            none for long, or the call was alone; else once for each call that is no part of the last storm.
        """
        self.opens = max(self.opens, opens)
        self._unanswered += 1
        self._refused_share = self._refused_share * MEMORY + 1 - MEMORY
        of_last_storm = stamp.storms < self.storms
        if not of_last_storm and self._refused_share >= NOISE:
            self.storms += 1
            self._sent = 0
            in_flight = min(self.allowed, self.inside)
            self.allowed = max(in_flight * (1 - self._refused_share), 1)
            self.threshold = max(in_flight / 2, self.allowed)
        return stamp.alone or not self._has_answered or self.refuses_all or not (of_last_storm or again)

    @property
    def refuses_all(self) -> bool:
        """Whether nothing has been answered for long, though calls went out one by one."""
        return self._unanswered > MOST_UNANSWERED and self.inside == 1
