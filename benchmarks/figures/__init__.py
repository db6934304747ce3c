"""The figures, in the order in which the table shows them."""

from __future__ import annotations

__all__ = ["FIGURES"]

FIGURES = (
    "overhead",
    "wall_time",
    "rivals",
    "streaming",
    "tracing",
    "growth",
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
