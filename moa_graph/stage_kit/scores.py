"""The scores that the last scoring stage gave, by what they are about."""

from __future__ import annotations

from moa_graph.stage_kit.run_context import RunContext
from moa_graph.state import Record, live, of_stage

__all__ = ["scores_of"]

THE_CONVERSATION = ""
"""What a score is about that is about no record."""


def scores_of(run: RunContext) -> dict[str, list[Record]]:
    """Live scores of the last stage that gave any: identity of the scored record to its scores."""
    for bound in reversed(run.earlier):
        own = live(of_stage(run.state["records"], bound.name))
        scores = [record for record in own if record["kind"] == "score" and "data" in record]
        if scores:
            scored: dict[str, list[Record]] = {}
            for record in scores:
                scored.setdefault(record.get("about", THE_CONVERSATION), []).append(record)
            return scored
    return {}
