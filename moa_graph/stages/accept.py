"""Accept: a scored answer that is good enough ends the run, and so does one that no dearer model would save.

Sources: FrugalGPT (Chen et al. 2023, arXiv 2305.05176); AutoMix (Madaan et al. 2023, arXiv 2310.12963), in which
hopeless queries aren't escalated either.
"""

from __future__ import annotations

import statistics
from typing import ClassVar, Literal

from pydantic import Field

from moa_graph.stage_kit.base import register
from moa_graph.stage_kit.run_context import RunContext
from moa_graph.stage_kit.scores import scores_of
from moa_graph.stage_kit.selection import Choice, Selection

__all__ = ["Accept"]


@register
class Accept(Selection):
    """Two thresholds on the mean score, from 0 to 10. Between them, or without a score, the next stage is asked."""

    kind: ClassVar[str] = "accept"
    shown: ClassVar[bool] = False

    score: float = Field(default=8.0, ge=0, le=10, description="Mean score from which the best answer is accepted.")
    hopeless: float = Field(default=0.0, ge=0, le=10, description="Mean score below which no dearer model is asked.")

    def check(self) -> None:
        """There must be something between the thresholds."""
        if self.hopeless > self.score:
            raise ValueError(f"hopeless: {self.hopeless:g} is above score, {self.score:g}")

    def may_end(self) -> Literal["finish"]:
        """An accepted answer ends the run."""
        return "finish"

    def choose(self, run: RunContext) -> Choice:
        """The best scored answer, where its score says that the run ends."""
        scored = scores_of(run)
        means = {about: statistics.fmean(one["data"]["score"] for one in scores) for about, scores in scored.items()}
        candidates = [record for record in run.proposals() if record["id"] in means]
        if not candidates:
            return Choice(data=means)
        best = max(candidates, key=lambda record: means[record["id"]])
        mean = means[best["id"]]
        if mean >= self.score:
            reason = f"a score of {mean:.1f} is enough"
        elif mean < self.hopeless:
            reason = f"a score of {mean:.1f} is hopeless"
        else:
            return Choice(data=means)
        return Choice([best], reason, end=reason, data=means)
