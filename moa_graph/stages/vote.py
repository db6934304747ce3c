"""Vote: the answer that most proposals come to wins, without a further call.

Source: self-consistency (Wang et al. 2022, arXiv 2203.11171), over samples of one model or answers of several.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from moa_graph.extract import Answers, plurality
from moa_graph.stage_kit.base import register
from moa_graph.stage_kit.counting import Counting
from moa_graph.stage_kit.run_context import RunContext
from moa_graph.stage_kit.selection import Choice
from moa_graph.state import Record

__all__ = ["Vote"]


@register
class Vote(Counting):
    """The plurality of the answers; the first proposal that gives it is the answer.

    Where the proposals have no short answers to count, the one most like the others is taken, and the report says so.
    """

    kind: ClassVar[str] = "vote"

    tie: Literal["first", "abstain", "escalate"] = Field(
        default="first",
        description="What a tie does: the earliest configured wins, the answer says that there is none, or the next "
        "stage decides.",
    )

    def may_end(self) -> Literal["finish"] | None:
        """A vote that escalates ties ends the run where there is none."""
        return "finish" if self.tie == "escalate" else None

    def choose(self, run: RunContext) -> Choice:
        """Counts the answers."""
        proposals = run.proposals()
        found = self.read(proposals, run)
        winner, votes, tied = plurality(found.values)
        counted = {"by": found.by, "answers": list(found.values), "votes": votes, "tied": tied}
        if winner is None:
            reason = "no answer could be extracted: the first proposal"
            return Choice(proposals[:1], reason, data=counted, degraded=NO_VOTE)
        if tied and self.tie == "escalate":
            return Choice(reason="tied", data=counted)
        if not found.extracted:
            return self._most_alike(proposals, found, counted)
        first = proposals[found.values.index(winner)]
        if tied and self.tie == "abstain":
            abstained: Record = {**first, "text": f"No answer: the vote was tied. {_in_words(found.values)}"}
            return Choice([abstained], "tied", data=counted, degraded="the vote was tied: no answer was given")
        reason = f"{votes} of {len(proposals)} came to {winner}" + (", a tie that the first wins" if tied else "")
        return Choice([first], reason, end=self._end(reason), data=counted)

    def _most_alike(self, proposals: Sequence[Record], found: Answers, counted: dict[str, Any]) -> Choice:
        """For free text: one of those that say nearly the same, else the one most like all the others."""
        winner, votes, _ = plurality(found.values)
        if votes > 1:
            index = found.values.index(winner)
            reason = f"{votes} of {len(proposals)} say nearly the same by their words, and the first of them is taken"
        else:
            index, reason = found.typical or 0, "the response whose words are most like the others' is taken"
        return Choice([proposals[index]], reason, end=self._end(reason), data=counted, degraded=f"{OPEN}: {reason}")

    def _end(self, reason: str) -> str | None:
        return reason if self.tie == "escalate" else None


NO_VOTE = "no answer could be extracted to vote on"
OPEN = "no short answers to count, as to an open question"


def _in_words(answers: Sequence[str | None]) -> str:
    counted = Counter(answer for answer in answers if answer is not None)
    return "; ".join(f"{votes} for {answer}" for answer, votes in counted.items()) + "."
