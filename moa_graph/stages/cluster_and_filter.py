"""Cluster and filter: of two groups of proposals the larger goes on, so that a deceptive one is left out.

Source: arXiv 2503.05856: one deceptive agent of six costs 11 points on AlpacaEval where nothing filters it. There,
proposals are embedded; by their words alone, a true paraphrase can look as foreign as a lie.
"""

from __future__ import annotations

from typing import ClassVar

from moa_graph.similarity import Similarity, nearness, two_clusters
from moa_graph.stage_kit.base import register
from moa_graph.stage_kit.by_similarity import BySimilarity
from moa_graph.stage_kit.selection import Choice
from moa_graph.state import Record

__all__ = ["ClusterAndFilter"]

FOREIGN = 0.6
"""Nearness of one text to the larger group from which it may as well be another wording of the same.

On answers of a dozen models to GSM8K, one to another question stays below 0.41 in nine cases of ten, and one to the
same question comes above 0.63 in seven of ten.
"""

FOREIGN_TOGETHER = 0.4
"""The same of several texts: a few that agree are seldom all deceptive."""


@register
class ClusterAndFilter(BySimilarity):
    """Keeps the larger group. Fewer than three proposals all go on.

    All of them go on, and the report says so, where nobody can know which ones to leave out: where two groups are of
    equal size, or where the groups may be two wordings of the same. The latter is a matter of words alone, so give
    ``embeddings`` where answers are short.
    """

    kind: ClassVar[str] = "cluster_and_filter"

    def choose_by(self, proposals: list[Record], alike: Similarity) -> Choice:
        """The larger group, in its configured order; which ones were left out is kept with them."""
        kept, left_out = two_clusters(alike)
        if left_out and (why := self._unknowable(kept, left_out, alike)) is not None:
            return Choice(proposals, f"none left out: {why}", data={"left_out": []}, degraded=f"{NOT_KNOWN}: {why}")
        names = [proposals[index]["id"] for index in left_out]
        reason = f"in the larger group: left out {', '.join(names) or 'none'}"
        return Choice([proposals[index] for index in kept], reason, data={"left_out": names})

    def _unknowable(self, kept: list[int], left_out: list[int], alike: Similarity) -> str | None:
        """Why it can't be known which proposals to leave out; None where it can."""
        if len(kept) == len(left_out):
            return "they form two groups of equal size"
        foreign = FOREIGN if len(left_out) == 1 else FOREIGN_TOGETHER
        if self.embeddings is None and nearness(alike, kept, left_out) >= foreign:
            return "by their words they may all say the same; with embeddings it could be told"
        return None


NOT_KNOWN = "the guard can't know which proposals to leave out, so all go on"
