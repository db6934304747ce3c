"""Stop: ends the run early where the models agree, without a further call.

Sources: iterative consensus ensembles stop at unanimity; Pyramid MoA (arXiv 2602.19509) goes on to a strong model where
cheap ones disagree.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from moa_graph.errors import MixtureError
from moa_graph.extract import extractor, plurality
from moa_graph.stages.base import Scene, register
from moa_graph.stages.selection import Choice, Selection

__all__ = ["Stop"]


@register
class Stop(Selection):
    """Gives the common answer if enough proposals come to it; otherwise the run goes on as if it weren't there."""

    kind: ClassVar[str] = "stop"
    shown: ClassVar[bool] = False

    agreement: float = Field(default=1.0, gt=0, le=1, description="Share of the slots that must come to one answer.")
    over: Literal["last", "all"] = Field(
        default="last", description="Compares the last stage's proposals, or those of all stages so far."
    )
    extract: str = Field(default="number", description="What is compared: number, choice, exact, or json:FIELD.")
    confidence: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Least mean of the `confidence` that answers in JSON state; None: not asked.",
    )

    def check(self) -> None:
        """The extractor must be known."""
        try:
            extractor(self.extract)
        except MixtureError as error:
            raise ValueError(f"extract: {error}") from None

    def may_end(self) -> Literal["finish"]:
        """Agreement ends the run."""
        return "finish"

    def choose(self, scene: Scene) -> Choice:
        """Compares the extracted answers. A slot that failed agrees with nobody."""
        proposals = scene.proposals() if self.over == "last" else scene.all_proposals()
        asked = max(len(proposals), scene.site.answers_asked(of_all=self.over == "all"))
        read = extractor(self.extract)
        answers = [read(record["text"]) for record in proposals]
        winner, votes, _ = plurality(answers)
        confident = self._confident([record["text"] for record in proposals])
        compared = {"answers": answers, "votes": votes, "asked": asked, "confident": confident}
        if winner is None or votes < self.agreement * asked or votes < 2 <= asked or not confident:
            return Choice((), "no agreement", data=compared)
        reason = f"{votes} of {asked} agree on {winner}"
        return Choice([proposals[answers.index(winner)]], reason, end=reason, data=compared)

    def _confident(self, texts: list[str]) -> bool:
        """Whether the stated confidence is high enough. What isn't stated counts as none."""
        if self.confidence is None:
            return True
        stated = [_as_share(extractor("json:confidence")(text)) for text in texts]
        return bool(stated) and sum(stated) / len(stated) >= self.confidence


def _as_share(value: str | None) -> float:
    try:
        share = float((value or "").rstrip("%"))
    except ValueError:
        return 0.0
    return share / 100 if share > 1 else max(share, 0.0)
