"""Diverse: the k proposals that differ most from each other go on.

Source: the greedy selection of Residual MoA (arXiv 2505.24442).
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from moa_graph.similarity import most_diverse, similarities, tf_idf
from moa_graph.stages.base import Scene, register
from moa_graph.stages.selection import Choice, Selection

__all__ = ["Diverse"]


@register
class Diverse(Selection):
    """Compares the proposals by their words (TF-IDF), without a call."""

    kind: ClassVar[str] = "diverse"
    answers: ClassVar[bool] = False

    keep: int = Field(default=3, ge=1, description="How many go on.")

    def choose(self, scene: Scene) -> Choice:
        """The most different ones, in their configured order."""
        proposals = scene.proposals()
        alike = similarities(tf_idf([record["text"] for record in proposals]))
        kept = most_diverse(alike, self.keep)
        return Choice([proposals[index] for index in kept], f"among the {len(kept)} most different")
