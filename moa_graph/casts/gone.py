"""Models that are known to be no longer served, or only until a day that is announced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from functools import cache

from moa_graph.casts.packaged import packaged

__all__ = ["gone", "last_day_of", "leaving"]


def gone(references: Iterable[str]) -> list[str]:
    """Those of ``references`` that are no longer served."""
    today = datetime.now(UTC).date()
    return [one for one in references if (day := last_day_of(one)) is not None and day <= today]


def leaving(references: Iterable[str]) -> dict[str, date]:
    """Those of ``references`` whose last day is announced and yet to come."""
    today = datetime.now(UTC).date()
    return {one: day for one in references if (day := last_day_of(one)) is not None and day > today}


def last_day_of(reference: str) -> date | None:
    """The first day on which ``provider:name`` isn't served; None where none is known."""
    return _days().get(reference)


@cache
def _days() -> Mapping[str, date]:
    written = packaged("gone.yaml")
    return {f"{provider}:{name}": day for provider, listed in written.items() for name, day in listed["models"].items()}
