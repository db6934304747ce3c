"""The table as a picture: how each figure stands to its goal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.figure import Result

__all__ = ["plot"]

REACHED, MISSED = "#3a7d44", "#b3402f"


def plot(results: Sequence[Result], file: Path) -> None:
    """Draws a bar for each figure: its part of what the goal allows, so that 1 is the goal and less is better.

    Args:
        results: The lines of the table.
        file: Where the PNG goes.
    """
    from matplotlib.figure import Figure

    shown = [(result, _part(result)) for result in reversed(results)]
    figure = Figure(figsize=(16, 0.4 * len(shown) + 1), layout="constrained")
    axes = figure.subplots()
    colours = [REACHED if result.met else MISSED for result, _ in shown]
    axes.barh([result.figure for result, _ in shown], [part for _, part in shown], color=colours)
    axes.axvline(1, color="black", linewidth=1)
    axes.margins(y=0.01)
    axes.set_xlabel("part of what the goal allows: left of the line it is reached")
    figure.savefig(file, dpi=150)


def _part(result: Result) -> float:
    if result.test == ">=":
        return result.goal / result.value
    if result.goal == 0:
        return 0.0 if result.met else 2.0
    return max(result.value / result.goal, 0.0)
