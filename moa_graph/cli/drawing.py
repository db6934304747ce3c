"""A graph as text, from top to bottom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from langchain_core.runnables.graph import Edge, Graph

__all__ = ["as_text", "inner_edges", "ranks"]

_OUTSIDE = ("__start__", "__end__")


def as_text(graph: Graph) -> str:
    """The nodes from top to bottom; those in one block work side by side."""
    rows = ranks(graph)
    drawn = "\n    ↓\n".join("\n".join(row) for row in rows)
    early = [f"{edge.source} may go straight to {edge.target}" for edge in _shortcuts(graph, rows)]
    return "\n\n".join([drawn, *early]) + "\n"


def ranks(graph: Graph) -> list[list[str]]:
    """The nodes by how many edges the longest way to them has, in the order in which they were added."""
    before: dict[str, list[str]] = {node: [] for node in graph.nodes if node not in _OUTSIDE}
    for edge in inner_edges(graph):
        before[edge.target].append(edge.source)
    depth: dict[str, int] = {}

    def depth_of(node: str) -> int:
        if node not in depth:
            depth[node] = 1 + max(map(depth_of, before[node]), default=-1)
        return depth[node]

    rows: list[list[str]] = [[] for _ in range(max(map(depth_of, before), default=-1) + 1)]
    for node in before:
        rows[depth[node]].append(node)
    return rows


def inner_edges(graph: Graph) -> list[Edge]:
    """The edges between nodes that do something."""
    return [edge for edge in graph.edges if not {edge.source, edge.target} & set(_OUTSIDE)]


def _shortcuts(graph: Graph, rows: Sequence[Sequence[str]]) -> list[Edge]:
    """The edges by which a run may leave nodes out."""
    level: Mapping[str, int] = {node: index for index, row in enumerate(rows) for node in row}
    return [edge for edge in inner_edges(graph) if edge.conditional and level[edge.target] - level[edge.source] > 1]
