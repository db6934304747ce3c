"""Vote: the answer that most proposals come to wins, without a further call.

Source: self-consistency (Wang et al. 2022, arXiv 2203.11171), over samples of one model or answers of several.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from moa_graph.extract import Extract, extractor, plurality
from moa_graph.stage_kit.base import register
from moa_graph.stage_kit.run_context import RunContext
from moa_graph.stage_kit.selection import Choice, Selection
from moa_graph.state import Record

__all__ = ["Vote"]


@register
class Vote(Selection):
    """The plurality of extracted answers; the first proposal that gives it is the answer."""

    kind: ClassVar[str] = "vote"

    extract: Extract = Field(
        default="number", description="What is counted: number, choice, exact, json:FIELD, or in Python a function."
    )
    tie: Literal["first", "abstain", "escalate"] = Field(
        default="first",
        description="What a tie does: the earliest configured wins, the answer says that there is none, or the next "
        "stage decides.",
    )

    def may_end(self) -> Literal["finish"] | None:
        """A vote that escalates ties ends the run where there is none."""
        return "finish" if self.tie == "escalate" else None

    def choose(self, run: RunContext) -> Choice:
        """Counts the extracted answers."""
        proposals = run.proposals()
        read = extractor(self.extract)
        answers = [read(record["text"]) for record in proposals]
        winner, votes, tied = plurality(answers)
        counted = {"answers": answers, "votes": votes, "tied": tied}
        if winner is None:
            return Choice(
                proposals[:1], "no answer could be extracted: the first proposal", data=counted, degraded=NO_VOTE
            )
        first = proposals[answers.index(winner)]
        if tied and self.tie == "escalate":
            return Choice((), "tied", data=counted)
        if tied and self.tie == "abstain":
            abstained: Record = {**first, "text": f"No answer: the vote was tied. {_in_words(answers)}"}
            return Choice([abstained], "tied", data=counted, degraded="the vote was tied: no answer was given")
        reason = f"{votes} of {len(proposals)} came to {winner}" + (", a tie that the first wins" if tied else "")
        return Choice([first], reason, end=reason if self.tie == "escalate" else None, data=counted)


NO_VOTE = "no answer could be extracted to vote on"


def _in_words(answers: Sequence[str | None]) -> str:
    counted = Counter(answer for answer in answers if answer is not None)
    return "; ".join(f"{votes} for {answer}" for answer, votes in counted.items()) + "."
