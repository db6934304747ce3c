"""A batch's results so far, counted while it runs, in constant memory."""

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
    """The distribution of a positive quantity, in buckets that are each a tenth wider than the one before."""

    RATIO = 1.1

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.count = 0
        self.total = 0.0

    def add(self, value: float) -> None:
        """Adds a value; values below a millionth count as a millionth."""
        self._buckets[math.ceil(math.log(max(value, 1e-6), self.RATIO))] += 1
        self.count += 1
        self.total += value

    def quantile(self, share: float) -> float | None:
        """The quantile for this share, to within a tenth; None where there are no values."""
        left = math.ceil(share * self.count)
        for bucket in sorted(self._buckets):
            left -= self._buckets[bucket]
            if left <= 0:
                return float(self.RATIO**bucket)
        return None

    def bars(self, most: int) -> list[tuple[float, float, int]]:
        """At most this many bars: from, to, and how many values lie between."""
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
    """A batch's results, over all runs of the same command.

    Args:
        rows: Rows in the input; None until it is read to its end.
        answered: Rows with an answer.
        failed: Rows without one, bad rows included.
        bad: Unusable rows of the input.
        repeated: Rows without an id that repeat an earlier one, and share its answer.
        degraded: Answers given by less than the whole mixture.
        calls: Model requests of this run.
        hits: Calls of this run that the store answered.
        usd: US dollars spent in this run, as far as prices are known.
        usd_complete: Whether the price of every call was known.
        spent: Dollars over all runs, with the maximum for requests left open by a kill; None without a limit.
        seconds: How long this run took.
        stopped: Why it stopped early; None where it didn't.
        failures: Kind of failure to how often it happened in this run.
        latencies: Seconds that the rows of this run took.
        costs: What they cost, in US dollars.
        models: Model to how many answers it gave in this run, and their seconds in total.
        done_now: Rows finished in this run.
        last_failure: Why the last failed row of this run has no answer.
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
        """The slowest model, and its mean seconds per answer; None before the first answer."""
        means = {model: seconds / count for model, (count, seconds) in self.models.items()}
        return max(means.items(), key=itemgetter(1)) if means else None

    def foreseen(self, spent: float) -> float | None:
        """The estimated cost of the whole batch, from the rows of this run; None where it isn't known yet.

        Args:
            spent: US dollars so far, earlier runs included.
        """
        if not self.costs.count or self.left is None:
            return None
        return spent + self.left * self.costs.total / max(self.latencies.count, 1)

    def note(self, done: Answered) -> None:
        """Counts a row of this run."""
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
