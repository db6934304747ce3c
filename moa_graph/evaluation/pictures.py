"""Pictures of results: accuracy against dollars, and correlation of errors."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moa_graph.evaluation.comparing import CandidateComparison

__all__ = ["as_data", "heat_map", "pareto_picture"]


def pareto_picture(comparison: CandidateComparison) -> bytes:
    """Accuracy with its interval against dollars, with the Pareto front, as PNG."""
    figure, axes = _axes(8, 5)
    priced = [one for one in comparison.candidates if one.usd]
    dearest = max((one.usd for one in priced if one.usd), default=None)
    front = sorted((one for one in priced if one.on_front), key=lambda one: one.usd or 0)
    axes.plot([one.usd for one in front], [100 * one.accuracy for one in front], color="#2a8f4d", alpha=0.5, zorder=1)
    for one in priced:
        color = "#2a8f4d" if one.on_front else "#777777"
        spread = [[100 * (one.accuracy - one.low)], [100 * (one.high - one.accuracy)]]
        axes.errorbar(one.usd, 100 * one.accuracy, yerr=spread, fmt="o", color=color, capsize=3, zorder=4)
        right_half = dearest is not None and one.usd is not None and one.usd > dearest / 4
        axes.annotate(
            one.name,
            (one.usd, 100 * one.accuracy),
            xytext=(-6 if right_half else 6, 7 if one.on_front else -11),
            textcoords="offset points",
            ha="right" if right_half else "left",
            fontsize=7,
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.5},
        )
    axes.axhline(100 * comparison.oracle, color="#888888", linestyle=":", linewidth=1)
    axes.annotate(
        "oracle", (1, 100 * comparison.oracle), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=8
    )
    axes.margins(y=0.08)
    if priced:
        axes.set_xscale("log")
    axes.set_xlabel("US dollars per item")
    axes.set_ylabel("right, %")
    return _png(figure)


def heat_map(values: NDArray[np.float64], rows: Sequence[str], columns: Sequence[str], title: str) -> bytes:
    """A matrix with its numbers, from -1 to 1, as PNG."""
    figure, axes = _axes(2.5 + 0.6 * len(columns), 2 + 0.5 * len(rows))
    axes.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1)
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right", fontsize=8)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    for (row, column), value in np.ndenumerate(values):
        color = "white" if abs(value) > 0.6 else "black"
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color=color)
    axes.set_title(title, fontsize=10)
    return _png(figure)


def as_data(png: bytes) -> str:
    """A picture as the address of an image in a page."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _axes(width: float, height: float) -> tuple[Any, Any]:
    """Axes of a figure that belongs to no window and no global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", dpi=130)
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _png(figure: Any) -> bytes:
    written = io.BytesIO()
    figure.savefig(written, format="png")
    return written.getvalue()
