"""Candidates compared on the same items: accuracy, paired differences, dollars, seconds, and the oracle's accuracy.

Intervals: Wilson's for one share, Tango's for a paired difference; where items come in groups, which aren't
independent, the sandwich estimator over groups (Miller 2024, arXiv 2411.00640). Tests: McNemar's mid-p, Holm's
correction for several. Not the percentile bootstrap and not a paired t-test, which err where few pairs are discordant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import t as student

from moa_graph.errors import InputError
from moa_graph.evaluation.noninferiority import tango_interval
from moa_graph.evaluation.significance import holm, mcnemar, wilson_interval

__all__ = ["Candidate", "CandidateComparison", "Versus", "compare"]

FEWEST_GROUPS = 8
"""With fewer groups the sandwich estimator says little, so groups are ignored."""


@dataclass(frozen=True)
class Versus:
    """A candidate against the reference, in shares.

    Args:
        wins: Items that only the candidate got right.
        losses: Items that only the reference got right.
        difference: Of accuracy.
        low: Lower end of its 95 % interval.
        high: Upper end.
        p: P-value of "no difference", uncorrected.
        corrected: The same, with Holm's correction across all candidates.
    """

    wins: int
    losses: int
    difference: float
    low: float
    high: float
    p: float
    corrected: float


@dataclass(frozen=True)
class Candidate:
    """One candidate's results.

    Args:
        name: The candidate's name.
        accuracy: Share of correct answers.
        low: Lower end of its 95 % interval.
        high: Upper end.
        usd: Mean dollars per item; None where a price is unknown.
        p50: Median seconds; None where none were recorded.
        p95: 95th percentile of seconds.
        failed: Items without an answer, which count as wrong.
        on_front: Whether no other candidate is both cheaper and more accurate.
        versus: Comparison with the reference; None for the reference itself.
        at_equal_cost: The most accurate of the others that cost no more; None where there is none.
        at_equal_quality: The cheapest of the others that are at least as accurate; None where there is none.
    """

    name: str
    accuracy: float
    low: float
    high: float
    usd: float | None
    p50: float | None
    p95: float | None
    failed: int
    on_front: bool
    versus: Versus | None
    at_equal_cost: str | None = None
    at_equal_quality: str | None = None


@dataclass(frozen=True)
class CandidateComparison:
    """All candidates, the most accurate first.

    Args:
        candidates: Each one's results.
        reference: Name of the one that the others are compared with.
        items: Items that every candidate was asked.
        left_out: Items that some candidate was never asked, or that have no reference answer.
        oracle: Share of items that at least one candidate got right: the most that choosing among them could reach.
        clusters: Groups used for the intervals of differences; 0 where items count as independent.
        differing: Identities of items that some candidates got right and others wrong.
    """

    candidates: tuple[Candidate, ...]
    reference: str
    items: int
    left_out: int
    oracle: float
    clusters: int
    differing: tuple[str, ...]


def compare(table: Any, against: str | None = None) -> CandidateComparison:
    """Compares the candidates of a table of results.

    Args:
        table: As :func:`moa_graph.evaluation.tables.read_results` gives it.
        against: The candidate that the others are compared with; default: the most accurate.

    Raises:
        InputError: There is nothing to compare, or no such candidate.
    """
    known = table[table["right"].notna()]
    right = known.pivot_table(index="id", columns="candidate", values="right", aggfunc="first")
    asked = int(table["id"].nunique())
    right = right.dropna().astype(bool)
    if right.empty or right.shape[1] < 2:
        raise InputError("nothing to compare: give at least two candidates, graded on the same items")
    shares = right.mean().sort_values(ascending=False, kind="stable")
    reference = against or str(shares.index[0])
    if reference not in shares.index:
        raise InputError(f"--against {reference}: the candidates are {', '.join(map(str, shares.index))}")
    known = known[known["id"].isin(right.index)]
    groups = _groups(known, right.index)
    names = [str(name) for name in shares.index]
    duels = {name: _duel(right[name], right[reference], groups) for name in names if name != reference}
    corrected = dict(zip(duels, holm([duel[-1] for duel in duels.values()]), strict=True))
    dollars = {name: _mean(known[known["candidate"] == name]["usd"]) for name in names}
    candidates = [
        _candidate(
            name, right[name], known[known["candidate"] == name], _on_front(name, shares, dollars),
            Versus(*duels[name], corrected[name]) if name in duels else None,
        )
        for name in names
    ]  # fmt: skip
    return CandidateComparison(
        candidates=tuple(_with_rivals(one, candidates) for one in candidates),
        reference=reference,
        items=len(right),
        left_out=asked - len(right),
        oracle=float(right.any(axis=1).mean()),
        clusters=0 if groups is None else len(set(groups)),
        differing=tuple(str(one) for one in right.index[right.any(axis=1) & ~right.all(axis=1)]),
    )


def _with_rivals(one: Candidate, candidates: Sequence[Candidate]) -> Candidate:
    """A candidate beside the most accurate at the same cost and the cheapest at the same accuracy."""
    others = [(other, other.usd) for other in candidates if other is not one and other.usd is not None]
    if one.usd is None or not others:
        return one
    cheap = [(other, usd) for other, usd in others if usd <= one.usd]
    good = [(other, usd) for other, usd in others if other.accuracy >= one.accuracy]
    return replace(
        one,
        at_equal_cost=max(cheap, key=lambda pair: pair[0].accuracy)[0].name if cheap else None,
        at_equal_quality=min(good, key=lambda pair: pair[1])[0].name if good else None,
    )


def _candidate(name: str, right: Any, rows: Any, on_front: bool, versus: Versus | None) -> Candidate:
    low, high = wilson_interval(int(right.sum()), len(right))
    seconds = rows["seconds"].dropna().astype(float)
    return Candidate(
        name=name,
        accuracy=float(right.mean()),
        low=low,
        high=high,
        usd=_mean(rows["usd"]),
        p50=float(seconds.quantile(0.5)) if len(seconds) else None,
        p95=float(seconds.quantile(0.95)) if len(seconds) else None,
        failed=int(rows["failure"].notna().sum()),
        on_front=on_front,
        versus=versus,
    )


def _duel(right: Any, reference: Any, groups: Any) -> tuple[int, int, float, float, float, float]:
    wins, losses, items = int((right & ~reference).sum()), int((~right & reference).sum()), len(right)
    difference = (wins - losses) / items
    if groups is None:
        low, high = tango_interval(wins, losses, items)
        return wins, losses, difference, low, high, mcnemar(wins, losses)
    residuals = right.astype(float).to_numpy() - reference.astype(float).to_numpy() - difference
    sums = np.array([residuals[groups == group].sum() for group in sorted(set(groups))])
    error = np.sqrt((sums**2).sum() * len(sums) / (len(sums) - 1)) / items
    reach = float(student.ppf(0.975, len(sums) - 1)) * error
    p = 1.0 if not error else float(2 * student.sf(abs(difference) / error, len(sums) - 1))
    return wins, losses, difference, difference - reach, difference + reach, p


def _groups(known: Any, items: Any) -> Any:
    """The group of each item, where items come in groups, and there are enough of them."""
    group = known.drop_duplicates("id").set_index("id")["group"].reindex(items)
    if group.isna().any() or not FEWEST_GROUPS <= group.nunique() < len(group):
        return None
    return group.astype(str).to_numpy()


def _on_front(name: str, shares: Any, dollars: dict[str, float | None]) -> bool:
    own = dollars[name]
    if own is None:
        return False
    for other, price in dollars.items():
        if other == name or price is None:
            continue
        better = shares[other] >= shares[name] and price <= own
        if better and (shares[other] > shares[name] or price < own):
            return False
    return True


def _mean(values: Any) -> float | None:
    return None if not len(values) or values.isna().any() else float(values.astype(float).mean())
