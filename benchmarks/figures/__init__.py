"""The figures, in the order in which the table shows them."""

from __future__ import annotations

__all__ = ["FIGURES"]

FIGURES = (
    "overhead",
    "wall_time",
    "throughput",
    "processor_time",
    "streaming",
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
"""Modules of this package, each with a function ``measure(effort) -> list[Result]``."""
