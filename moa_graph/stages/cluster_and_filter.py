"""Cluster and filter: of two groups of proposals the larger goes on, so that a deceptive one is left out.

Source: arXiv 2503.05856: one deceptive agent of six costs 11 points on AlpacaEval where nothing filters it.
"""

from __future__ import annotations

from typing import ClassVar

from moa_graph.similarity import similarities, tf_idf, two_clusters
from moa_graph.stages.base import Scene, register
from moa_graph.stages.selection import Choice, Selection

__all__ = ["ClusterAndFilter"]


@register
class ClusterAndFilter(Selection):
    """Compares the proposals by their words (TF-IDF), without a call. Fewer than three all go on."""

    kind: ClassVar[str] = "cluster_and_filter"
    answers: ClassVar[bool] = False

    def choose(self, scene: Scene) -> Choice:
        """The larger group, in its configured order."""
        proposals = scene.proposals()
        kept, left_out = two_clusters(similarities(tf_idf([record["text"] for record in proposals])))
        names = [proposals[index]["id"] for index in left_out]
        return Choice([proposals[index] for index in kept], "in the larger group", data={"left_out": names})
