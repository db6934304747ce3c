"""A graph as a picture, made on this machine: LangGraph's own sends it to a web service."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import click
from langchain_core.runnables.graph import Graph

from moa_graph.cli.drawing import inner_edges, ranks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["as_png"]

INCHES_A_LETTER, INCHES_A_ROW, MARGIN = 0.095, 0.85, 0.5
DOTS_AN_INCH = 150
BOX = {"boxstyle": "round,pad=0.4", "facecolor": "#eef3ff", "edgecolor": "#5577bb"}
ARROW = {"arrowstyle": "->", "color": "#888888", "shrinkA": 11, "shrinkB": 11}


def as_png(graph: Graph, title: str) -> bytes:
    """A picture of the graph; dashed arrows are ways that a run may take.

    Raises:
        click.UsageError: What draws it isn't installed.
    """
    rows = ranks(graph)
    figure = _figure(rows)
    axes = figure.add_axes((0, 0, 1, 0.95))
    axes.set_axis_off()
    axes.set_title(title)
    widest = max(map(len, rows))
    axes.set_xlim(-widest / 2, widest / 2)
    axes.set_ylim(-len(rows) + 0.4, 0.6)
    _draw(axes, graph, _places(rows))
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=DOTS_AN_INCH)
    return picture.getvalue()


def _figure(rows: list[list[str]]) -> Figure:
    """An empty sheet in which every node's name has room."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise click.ClickException(
            'a picture needs matplotlib: pip install "moa-graph[draw]". Or take --format mermaid, which needs nothing'
        ) from None
    width = max(len(row) * (max(map(len, row)) * INCHES_A_LETTER + MARGIN) for row in rows)
    return Figure(figsize=(max(width, 4.0), len(rows) * INCHES_A_ROW + MARGIN))


def _places(rows: list[list[str]]) -> dict[str, tuple[float, float]]:
    return {
        node: (column - (len(row) - 1) / 2, -float(level))
        for level, row in enumerate(rows)
        for column, node in enumerate(row)
    }


def _draw(axes: Axes, graph: Graph, places: dict[str, tuple[float, float]]) -> None:
    for edge in inner_edges(graph):
        style: dict[str, Any] = {**ARROW, "linestyle": "dashed" if edge.conditional else "solid"}
        axes.annotate("", places[edge.target], places[edge.source], arrowprops=style)
    for node, (x, y) in places.items():
        axes.text(x, y, node, ha="center", va="center", fontsize=9, bbox=BOX)
