"""The figures, in the order in which the table shows them."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.figure import Effort, Result

__all__ = ["FIGURES"]

Measure = Callable[[Effort], list[Result]]

FIGURES = (
    "overhead",
    "wall_time",
    "throughput",
    "tracing",
    "straggler",
    "latencies",
    "cancelled",
    "memory",
    "first_token",
    "staircase",
    "samples",
    "starting",
)
"""Modules of this package, each with a function ``measure``."""
