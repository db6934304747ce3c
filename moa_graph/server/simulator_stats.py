"""What the simulator counts, so that a test can hold a client's own accounts against it."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from moa_graph.description import Price

__all__ = ["RequestCount", "RequestTally", "Stats"]

ARRIVALS_KEPT = 10_000
MILLION = 1_000_000


@dataclass(slots=True)
class RequestTally:
    """Counts for one model, or for all.

    Attributes:
        requests: Requests that arrived.
        completed: Answers that were sent whole.
        aborted: Requests whose client went away before its answer was whole.
        in_flight: Requests that are being answered now.
        peak_in_flight: The most that there were at once.
        prompt_tokens, completion_tokens: Tokens of whole answers, as their usage says.
        cut_prompt_tokens, cut_completion_tokens: Tokens of answers that broke off, as far as they were sent.
        cost: US dollars for all of these tokens at the profile's price.
        statuses: HTTP status -> how often it was sent.
        arrivals: When the last 10,000 requests arrived, in seconds since the last reset.
    """

    requests: int = 0
    completed: int = 0
    aborted: int = 0
    in_flight: int = 0
    peak_in_flight: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cut_prompt_tokens: int = 0
    cut_completion_tokens: int = 0
    cost: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    arrivals: deque[float] = field(default_factory=lambda: deque(maxlen=ARRIVALS_KEPT))

    def arrive(self, seconds: float) -> None:
        """One more request, after ``seconds``."""
        self.requests += 1
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        self.arrivals.append(seconds)

    def snapshot(self) -> dict[str, Any]:
        """The counts as plain JSON."""
        counts = {name: getattr(self, name) for name in self.__slots__}
        statuses = {str(status): count for status, count in sorted(self.statuses.copy().items())}
        return counts | {"statuses": statuses, "arrivals": list(self.arrivals)}


@dataclass(slots=True)
class RequestCount:
    """The counting of one request.

    Attributes:
        number: Which request to its model it is, from 1.
        tallies: Where it is counted: with its model and with all.
    """

    number: int
    tallies: tuple[RequestTally, ...]

    def status(self, status: int) -> None:
        """An answer with this HTTP status begins."""
        for tally in self.tallies:
            tally.statuses[status] += 1

    def whole(self, prompt: int, completion: int, price: Price) -> None:
        """The answer was sent whole."""
        for tally in self.tallies:
            tally.completed += 1
            tally.prompt_tokens += prompt
            tally.completion_tokens += completion
            tally.cost += (prompt * price.input + completion * price.output) / MILLION

    def cut(self, prompt: int, completion: int, price: Price) -> None:
        """The answer broke off after ``completion`` tokens were sent."""
        for tally in self.tallies:
            tally.cut_prompt_tokens += prompt
            tally.cut_completion_tokens += completion
            tally.cost += (prompt * price.input + completion * price.output) / MILLION

    def aborted(self) -> None:
        """The client went away."""
        for tally in self.tallies:
            tally.aborted += 1


class Stats:
    """All that one simulator counts."""

    def __init__(self) -> None:
        self.connections_open = 0
        self.reset()

    def reset(self) -> None:
        """Begin anew; requests that are in flight are not counted from here on."""
        self._began = time.monotonic()
        self._total = RequestTally()
        self._models: dict[str, RequestTally] = {}
        self.connections_opened = 0

    @contextmanager
    def request(self, model: str | None) -> Iterator[RequestCount]:
        """Count a request to ``model``; None for one that doesn't say which it means."""
        tallies = (self._total,) if model is None else (self._models.setdefault(model, RequestTally()), self._total)
        seconds = time.monotonic() - self._began
        for tally in tallies:
            tally.arrive(seconds)
        try:
            yield RequestCount(tallies[0].requests, tallies)
        finally:
            for tally in tallies:
                tally.in_flight -= 1

    def snapshot(self) -> dict[str, Any]:
        """The counts as plain JSON: ``total``, ``models`` by name, ``connections``."""
        return {
            "total": self._total.snapshot(),
            "models": {name: tally.snapshot() for name, tally in list(self._models.items())},
            "connections": {"open": self.connections_open, "opened": self.connections_opened},
        }
