"""Stages that count the answers which proposals come to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from moa_graph.description import Description
from moa_graph.extract import Answers, Extract, Extractor, answer_line, extractor, read_answers
from moa_graph.fences import without_fences
from moa_graph.stage_kit.run_context import RunContext
from moa_graph.stage_kit.selection import Selection
from moa_graph.state import Record

__all__ = ["Counting", "reading_by"]


class Counting(Selection):
    """Reads the answers of proposals, all of them in one way, and has their models told how to end."""

    extract: Extract = Field(
        default="auto",
        description="What is counted: number, choice, exact, json:FIELD, or auto: what the proposals look like, be it "
        "numbers, letters of choices or short texts; where there is no short answer, how alike whole texts are. In "
        "Python, also a function of the text.",
    )
    tell: bool = Field(
        default=True, description="Whether the models that propose are told to end with a line that can be read."
    )

    def told_to_proposers(self) -> str | None:
        """How proposals must end."""
        return answer_line(self.extract) if self.tell else None

    def read(self, proposals: Sequence[Record], run: RunContext) -> Answers:
        """The proposals' answers."""
        return read_answers([without_fences(record["text"]) for record in proposals], self.extract, run.question)


def reading_by(part: Any, extract: str | Extractor) -> Any:
    """A description in which every stage that counts answers reads them by ``extract``, stages of branches too.

    Raises:
        MixtureError: There is no such extractor.
    """
    extractor(extract)
    if isinstance(part, Description):
        fields = {name: reading_by(getattr(part, name), extract) for name in type(part).model_fields}
        changed = {name: value for name, value in fields.items() if value is not getattr(part, name)}
        if isinstance(part, Counting):
            changed["extract"] = extract
        return part.model_copy(update=changed) if changed else part
    if isinstance(part, tuple):
        parts = tuple(reading_by(one, extract) for one in part)
        return parts if any(new is not old for new, old in zip(parts, part, strict=True)) else part
    if isinstance(part, dict):
        values = {name: reading_by(one, extract) for name, one in part.items()}
        return values if any(values[name] is not part[name] for name in part) else part
    return part
