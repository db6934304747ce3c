"""Stop: ends the run early where the models agree, without a further call.

Sources: iterative consensus ensembles stop at unanimity; Pyramid MoA (arXiv 2602.19509) goes on to a strong model where
cheap ones disagree.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from moa_graph.extract import answer_line, confidence, plurality
from moa_graph.stage_kit.base import register
from moa_graph.stage_kit.counting import Counting
from moa_graph.stage_kit.run_context import RunContext
from moa_graph.stage_kit.selection import Choice
from moa_graph.state import Record, live

__all__ = ["Stop"]


@register
class Stop(Counting):
    """Gives the common answer if enough proposals come to it; otherwise the run goes on as if it weren't there."""

    kind: ClassVar[str] = "stop"
    shown: ClassVar[bool] = False

    agreement: float = Field(default=1.0, gt=0, le=1, description="Share of the slots that must come to one answer.")
    votes: int | None = Field(
        default=None,
        ge=2,
        description="Votes for one answer that are enough, however many were asked; replaces agreement.",
    )
    over: Literal["last", "all"] = Field(
        default="last", description="Compares the last stage's proposals, or those of all stages so far."
    )
    confidence: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Least mean confidence, from 0 to 1, that the models must state: they are told. None: not asked.",
    )

    def may_end(self) -> Literal["finish"]:
        """Agreement ends the run."""
        return "finish"

    def choose(self, run: RunContext) -> Choice:
        """Compares extracted answers. A slot that failed agrees with nobody; what was filtered out isn't counted."""
        proposals, asked = self._compared(run)
        found = self.read(proposals, run)
        winner, votes, _ = plurality(found.values)
        confident = self._confident([record["text"] for record in proposals])
        comparison = {
            "by": found.by,
            "answers": list(found.values),
            "votes": votes,
            "asked": asked,
            "confident": confident,
        }
        if winner is None or not self._enough(votes, asked) or not confident:
            return Choice(reason="no agreement", data=comparison)
        reason = f"{votes} of {asked} agree on {winner}"
        if not found.extracted:
            reason = f"{votes} of {asked} say nearly the same by their words"
        return Choice([proposals[found.values.index(winner)]], reason, end=reason, data=comparison)

    def told_to_proposers(self) -> str | None:
        """How proposals must end."""
        return answer_line(self.extract, confidence=self.confidence is not None) if self.tell else None

    def _enough(self, votes: int, asked: int) -> bool:
        """Whether so many votes of those asked end the run."""
        if self.votes is not None:
            return votes >= self.votes
        return votes / asked >= self.agreement and not votes < 2 <= asked

    def _compared(self, run: RunContext) -> tuple[list[Record], int]:
        """The live proposals, and how many there would be if none had failed."""
        stages = run.of_proposing()
        if self.over == "last":
            proposals, stages = run.proposals(), stages[-1:]
        else:
            proposals = [record for records in stages for record in live(records)]
        return proposals, len(proposals) + sum(record["status"] == "failed" for records in stages for record in records)

    def _confident(self, texts: list[str]) -> bool:
        """Whether the stated confidence is high enough. What isn't stated counts as none."""
        if self.confidence is None:
            return True
        stated = [confidence(text) or 0.0 for text in texts]
        return bool(stated) and sum(stated) / len(stated) >= self.confidence
