"""Diverse: the k proposals that differ most from each other go on.

Source: the greedy selection of Residual MoA (arXiv 2505.24442).
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from moa_graph.similarity import Similarity, most_diverse
from moa_graph.stage_kit.base import register
from moa_graph.stage_kit.by_similarity import BySimilarity
from moa_graph.stage_kit.selection import Choice
from moa_graph.state import Record

__all__ = ["Diverse"]


@register
class Diverse(BySimilarity):
    """Starts from the proposal least like the others, and adds each time the one least like those chosen."""

    kind: ClassVar[str] = "diverse"

    keep: int = Field(default=3, ge=1, description="How many go on.")

    def choose_by(self, proposals: list[Record], alike: Similarity) -> Choice:
        """The most different ones, in their configured order."""
        kept = most_diverse(alike, self.keep)
        return Choice([proposals[index] for index in kept], f"among the {len(kept)} most different")
