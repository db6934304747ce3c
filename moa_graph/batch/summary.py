"""What a batch has done: counted while it runs, in memory that doesn't grow with it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from moa_graph.batch.results import Answered

__all__ = ["Spread", "Summary"]

_TOLD = (
    *("rows", "answered", "failed", "bad", "repeated", "degraded", "calls", "hits", "usd", "usd_complete", "spent"),
    *("seconds", "stopped", "slowest_model"),
)


class Spread:
    """How a positive quantity is spread, in buckets of which each is a tenth wider than the one before."""

    RATIO = 1.1

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.count = 0
        self.total = 0.0

    def add(self, value: float) -> None:
        """One more value; those up to a millionth count as that."""
        self._buckets[math.ceil(math.log(max(value, 1e-6), self.RATIO))] += 1
        self.count += 1
        self.total += value

    def quantile(self, share: float) -> float | None:
        """The value that this share of all doesn't pass, to within a tenth; None where there is none."""
        left = math.ceil(share * self.count)
        for bucket in sorted(self._buckets):
            left -= self._buckets[bucket]
            if left <= 0:
                return float(self.RATIO**bucket)
        return None

    def bars(self, most: int) -> list[tuple[float, float, int]]:
        """At most so many bars: from, to, and how many values between."""
        if not self._buckets:
            return []
        low, high = min(self._buckets), max(self._buckets)
        width = max(math.ceil((high - low + 1) / most), 1)
        starts = range(low, high + 1, width)
        return [
            (
                float(self.RATIO ** (start - 1)),
                float(self.RATIO ** (start + width - 1)),
                sum(self._buckets[bucket] for bucket in range(start, start + width)),
            )
            for start in starts
        ]


@dataclass
class Summary:
    """What a batch has done, over all tries of the same command.

    Args:
        rows: In the input; None until it is read to its end.
        answered: Rows with an answer.
        failed: Rows without one, bad rows included.
        bad: Rows of the input that couldn't be asked.
        repeated: Rows without an id of their own that say the same as an earlier one, and share its answer.
        degraded: Answers that are less than what the mixture describes.
        calls: Model requests of this try.
        hits: Calls of this try that the store answered.
        usd: US dollars of this try, as far as prices are known.
        usd_complete: Whether the price of every call was known.
        spent: Dollars over all tries, with the most for what a kill left open; None where no limit asked for it.
        seconds: How long this try took.
        stopped: Why it stopped before the end of the input; None where it didn't.
        failures: Kind of failure to how often it happened in this try.
        latencies: Seconds that the rows of this try took.
        costs: US dollars that they cost.
        models: Model to how many answers it gave in this try, and the seconds that they took in all.
        done_now: Rows of this try.
        last_failure: Why the last failed row of this try has no answer.
    """

    rows: int | None = None
    answered: int = 0
    failed: int = 0
    bad: int = 0
    repeated: int = 0
    degraded: int = 0
    calls: int = 0
    hits: int = 0
    usd: float = 0.0
    usd_complete: bool = True
    spent: float | None = None
    seconds: float = 0.0
    stopped: str | None = None
    failures: Counter[str] = field(default_factory=Counter)
    latencies: Spread = field(default_factory=Spread, repr=False)
    costs: Spread = field(default_factory=Spread, repr=False)
    models: dict[str, tuple[int, float]] = field(default_factory=dict, repr=False)
    done_now: int = 0
    last_failure: str | None = None

    @property
    def left(self) -> int | None:
        """Rows that are neither answered nor failed; None until the input is read to its end."""
        return None if self.rows is None else self.rows - self.repeated - self.answered - self.failed

    @property
    def is_complete(self) -> bool:
        """Whether every row of the input has its answer."""
        return self.stopped is None and self.failed == 0

    @property
    def slowest_model(self) -> tuple[str, float] | None:
        """The model whose answers took longest, and how many seconds each on average; None before the first."""
        means = {model: seconds / count for model, (count, seconds) in self.models.items()}
        return max(means.items(), key=itemgetter(1)) if means else None

    def foreseen(self, spent: float) -> float | None:
        """What the whole batch will cost by the rows of this try; None where that isn't known yet.

        Args:
            spent: US dollars so far, earlier tries included.
        """
        if not self.costs.count or self.left is None:
            return None
        return spent + self.left * self.costs.total / max(self.latencies.count, 1)

    def note(self, done: Answered) -> None:
        """Counts a row of this try."""
        result = done.result
        self.done_now += 1
        if result["status"] != "answered":
            self.failed += 1
            self.bad += result["failure"]["kind"] == "bad_row"
            self.failures[result["failure"]["kind"]] += 1
            self.last_failure = result["failure"]["message"]
            return
        self.answered += 1
        self.degraded += bool(result["degraded"])
        self.calls += result["calls"]
        self.hits += result["hits"]
        self.usd_complete &= result["usd"] is not None
        self.usd += result["usd"] or 0.0
        self.latencies.add(done.seconds)
        if result["usd"]:
            self.costs.add(result["usd"])
        for record in done.records:
            if record["status"] == "live":
                count, seconds = self.models.get(record["model"], (0, 0.0))
                self.models[record["model"]] = count + 1, seconds + record["seconds"]
        for report in done.reports:
            for stage in report["stages"]:
                for failure in stage["failed"].values():
                    self.failures[failure["kind"] if failure else "unknown"] += 1

    def to_data(self) -> dict[str, Any]:
        """Plain JSON."""
        told = {name: getattr(self, name) for name in _TOLD}
        told["failures"] = dict(self.failures)
        told["left"] = self.left
        told["seconds_p50"], told["seconds_p95"] = self.latencies.quantile(0.5), self.latencies.quantile(0.95)
        return told
