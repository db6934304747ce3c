"""Combine: the scores that several models gave become one, and their disagreement is shown."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field

from moa_graph.stage_kit.base import register
from moa_graph.stage_kit.run_context import RunContext
from moa_graph.stage_kit.scores import scores_of
from moa_graph.stage_kit.selection import Choice, Selection
from moa_graph.state import Record

__all__ = ["Combine"]


@register
class Combine(Selection):
    """Mean, median and spread of the last scores, as JSON; with the best scored answer where answers were scored."""

    kind: ClassVar[str] = "combine"

    agreement_within: float = Field(
        default=2.0, ge=0, description="Spread of scores up to which the models are said to agree."
    )

    def choose(self, run: RunContext) -> Choice:
        """The best scored text with its combined scores."""
        scored = scores_of(run)
        if not scored:
            return Choice(degraded="no model gave a score")
        best = max(scored, key=lambda about: statistics.fmean(record["data"]["score"] for record in scored[about]))
        combined = self._combined(scored[best])
        answers = [record for record in run.proposals() if record["id"] == best]
        if answers:
            combined = {"text": answers[0]["text"], **combined}
        source: Record = {**scored[best][0], "text": json.dumps(combined, ensure_ascii=False, indent=2)}
        return Choice([source], "scores combined", data=combined)

    def _combined(self, records: list[Record]) -> dict[str, Any]:
        labels = _labels(records)
        scores = {label: record["data"]["score"] for label, record in zip(labels, records, strict=True)}
        spread = max(scores.values()) - min(scores.values())
        return {
            "score": round(statistics.fmean(scores.values()), 2),
            "median": statistics.median(scores.values()),
            "spread": spread,
            "agree": spread <= self.agreement_within,
            "scores": scores,
            "reasons": {label: record["data"]["reasoning"] for label, record in zip(labels, records, strict=True)},
        }


def _labels(records: Sequence[Record]) -> list[str]:
    """The names of the slots that scored; a slot's further samples are numbered."""
    given: Counter[str] = Counter()
    labels = []
    for record in records:
        given[record["slot"]] += 1
        number = given[record["slot"]]
        labels.append(record["slot"] if number == 1 else f"{record['slot']} ({number})")
    return labels
