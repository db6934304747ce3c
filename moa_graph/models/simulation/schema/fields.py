"""What a field of a schema asks for: by its type and bounds, and, for texts and lone numbers, by the words of its name.

With responses to judge, a list of whole numbers is their ranking and one of numbers on a scale their scores; a whole
number is the best one's, yes or no is the verdict on one response or whether several agree, and a choice among as many
options as there are responses is the best one's place, whatever any of them is called.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moa_graph.models.simulation.judgement import Judgement
from moa_graph.models.simulation.reading import final_answer
from moa_graph.models.simulation.schema.numbers import Share
from moa_graph.models.simulation.schema.resolution import type_of

__all__ = ["WantedField"]

_ANSWER = {"answer", "result", "solution"}
_PROSE = {"text", "response", "output", "content", "summary", "synthesis"}
_WHY = {"reason", "reasons", "reasoning", "rationale", "explanation", "why", "critique", "feedback", "thought"}
_SCALE = {"score", "rating", "quality", "grade", "points", "confidence", "probability"}
_STANDING = {"rank", "place", "position"}
_QUESTION = {"question", "query", "input", "prompt", "request"}
_EXPRESSION = {"expression", "formula", "equation", "calculation"}

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")

RIGHT = 0.3
"""Score from which a response whose question the model can answer itself counts as right."""


@dataclass(frozen=True)
class WantedField:
    """A field to fill.

    Args:
        name: Its name.
        schema: Its JSON schema, of one type.
        reference: The index of the response that it is about, in a list of objects about responses.
        judgement: What the model makes of the conversation.
        given: Whether numbers of the question go in here, as the arguments of a tool.
    """

    name: str
    schema: Mapping[str, Any]
    reference: int | None
    judgement: Judgement
    given: bool = False

    def text(self) -> str | None:
        """A string; None where nothing says what it is to hold."""
        judgement = self.judgement
        if self._says(_WHY):
            return self._why()
        if self._says(_ANSWER):
            return judgement.short_answer
        if self._says(_PROSE):
            return judgement.text
        if self._says(_QUESTION):
            return judgement.conversation.question or None
        if self._says(_EXPRESSION) and judgement.problem is not None:
            return judgement.problem.question
        return None

    def number(self) -> float | int | None:
        """A number: a :class:`Share` stands for that share of the scale. None where nothing says what it is to be."""
        judgement, whole = self.judgement, type_of(self.schema) == "integer"
        if self._says(_ANSWER):
            return _as_number(judgement.short_answer)
        if self.given or not judgement.answers:
            return None
        if self.reference is not None:
            if self._says(_STANDING):
                return judgement.ranking.index(self.reference + 1) + 1
            return self.reference + 1 if whole and not self._is_on_a_scale() else self._share()
        return judgement.ranking[0] if whole and not self._is_on_a_scale() else self._share()

    def verdict(self) -> bool | None:
        """Yes or no: whether one response is right, or several agree. None where there is none to judge."""
        judgement = self.judgement
        if self.reference is None and len(judgement.answers) > 1:
            return judgement.unanimous
        share = self._share()
        return None if share is None or judgement.own_answer is None else share >= RIGHT

    def option(self) -> str | int | None:
        """The option that is meant, or the number of the best response; None where nothing says which."""
        judgement = self.judgement
        if self._says(_ANSWER) or not judgement.ranking:
            return final_answer(judgement.text, judgement.problem)
        if len(judgement.ranking) == 2 and judgement.scores[0] == judgement.scores[1]:
            return "tie"
        return judgement.ranking[0]

    def items(self, item: Mapping[str, Any], kind: str) -> list[Any]:
        """The elements of a list; none where nothing says what they are."""
        judgement = self.judgement
        if not judgement.answers:
            return []
        if kind == "string":
            return [line for line in judgement.text.splitlines() if line.strip()][:3]
        if kind == "integer" and ("minimum" not in item or "maximum" not in item):
            return list(judgement.ranking)
        return [Share(score) for score in judgement.scores] if kind in ("integer", "number") else []

    def _says(self, words: set[str]) -> bool:
        return any(word.lower() in words for word in _WORD.findall(self.name))

    def _is_on_a_scale(self) -> bool:
        """Whether it is a score rather than the number of a response: such numbers end where the responses do."""
        return self._says(_SCALE) or self.schema.get("maximum", 0) > len(self.judgement.answers)

    def _share(self) -> Share | None:
        """How good the response is that this is about, or the best one."""
        scores = self.judgement.scores
        if self.reference is not None and self.reference < len(scores):
            return Share(scores[self.reference])
        return Share(max(scores)) if scores else None

    def _why(self) -> str:
        judgement, about = self.judgement, self.reference
        if about is None or about >= len(judgement.answers):
            return judgement.text.partition("\n\nAnswer:")[0]
        answer = judgement.answers[about]
        said = f"comes to {answer}" if answer is not None else "gives no final answer"
        standing = judgement.ranking.index(about + 1) + 1
        return f"Response {about + 1} {said}; it stands at place {standing} of {len(judgement.answers)}."


def _as_number(text: str) -> float | int | None:
    try:
        number = float(text.replace(",", ""))
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else number
