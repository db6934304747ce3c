"""The scores that the last scoring stage gave, by what they are about."""

from __future__ import annotations

from moa_graph.stages.base import Scene
from moa_graph.state import Record, live, of_stage

__all__ = ["scores_of"]

THE_CONVERSATION = ""
"""What a score is about that is about no record."""


def scores_of(scene: Scene) -> dict[str, list[Record]]:
    """Live scores of the last stage that gave any: identity of the scored record to its scores."""
    for placed in reversed(scene.earlier):
        own = live(of_stage(scene.state["records"], placed.site.name))
        scores = [record for record in own if record["kind"] == "score" and "data" in record]
        if scores:
            scored: dict[str, list[Record]] = {}
            for record in scores:
                scored.setdefault(record.get("about", THE_CONVERSATION), []).append(record)
            return scored
    return {}
