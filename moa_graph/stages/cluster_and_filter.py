"""Cluster and filter: of two groups of proposals the larger goes on, so that a deceptive one is left out.

Source: arXiv 2503.05856: one deceptive agent of six costs 11 points on AlpacaEval where nothing filters it.
"""

from __future__ import annotations

from typing import ClassVar

from moa_graph.similarity import Similarity, two_clusters
from moa_graph.stage_kit.base import register
from moa_graph.stage_kit.by_similarity import BySimilarity
from moa_graph.stage_kit.selection import Choice
from moa_graph.state import Record

__all__ = ["ClusterAndFilter"]


@register
class ClusterAndFilter(BySimilarity):
    """Keeps the larger group. Fewer than three proposals all go on; of equal groups, that of the first proposal."""

    kind: ClassVar[str] = "cluster_and_filter"

    def choose_by(self, proposals: list[Record], alike: Similarity) -> Choice:
        """The larger group, in its configured order; which ones were left out is kept with them."""
        kept, left_out = two_clusters(alike)
        names = [proposals[index]["id"] for index in left_out]
        reason = f"in the larger group: left out {', '.join(names) or 'none'}"
        return Choice([proposals[index] for index in kept], reason, data={"left_out": names})
