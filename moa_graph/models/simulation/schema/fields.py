"""What well-known field names ask for: ``answer``, ``best``, ``scores``, ``ranking``, ``stop`` and more."""

from __future__ import annotations

import math
from typing import Any

from moa_graph.models.simulation.judgement import Judgement
from moa_graph.models.simulation.reading import final_answer
from moa_graph.models.simulation.schema.numbers import SCORE_NAMES, SHARE_NAMES

__all__ = ["meant_by"]

_ANSWER = {"answer", "final_answer", "result", "solution"}
_TEXT = {"response", "output", "text", "content", "summary", "synthesis"}
_BEST = {"best", "winner", "choice", "chosen", "selected", "preferred", "pick", "verdict"}
_RANKING = {"ranking", "ranks", "order", "keep", "kept", "selected", "chosen", "best", "top"}
_SCORE = SCORE_NAMES | SHARE_NAMES
_SCORES = {"scores", "ratings", "grades"}
_AGREED = {
    "stop",
    "done",
    "agree",
    "agreed",
    "consensus",
    "consistent",
    "unanimous",
    "finished",
    "sufficient",
}
_REASONING = {"reasoning", "reason", "reasons", "rationale", "explanation", "critique", "feedback", "thought"}
_NUMBER = {"reference", "response", "candidate", "proposal", "number", "id", "index"}
_QUESTION = {"question", "query", "input", "prompt", "request"}
_EXPRESSION = {"expression", "formula", "equation", "calculation"}


def meant_by(name: str, reference: int | None, kind: str, judgement: Judgement) -> Any:
    """What a field called ``name`` asks for, or None where the name tells nothing.

    Args:
        name: The field's name.
        reference: The index of the reference that the field is about, in a list of objects about references.
        kind: ``string``, ``integer``, ``number``, ``boolean``, ``enum``, or ``list of`` one of them.
        judgement: What the model makes of the conversation.
    """
    name = name.casefold()
    match kind:
        case "string":
            return _string(name, reference, judgement)
        case "integer" | "number":
            return _number(name, reference, judgement)
        case "boolean":
            return _boolean(name, reference, judgement)
        case "enum":
            return _option(name, reference, judgement)
        case "list of integer" | "list of number" if name in _SCORES and judgement.scores:
            return list(judgement.scores)
        case "list of integer" | "list of number" if name in _RANKING and judgement.ranking:
            return list(judgement.ranking)
        case "list of string" if judgement.conversation.references:
            return [line for line in judgement.text.splitlines() if line.strip()][:3]
    return None


def _string(name: str, reference: int | None, judgement: Judgement) -> str | None:
    if name in _ANSWER:
        return judgement.short_answer
    if name in _TEXT:
        return judgement.text
    if name in _BEST and judgement.ranking:
        return str(judgement.ranking[0])
    if name in _REASONING:
        return _reasons(reference, judgement)
    if name in _QUESTION:
        return judgement.conversation.question or None
    if name in _EXPRESSION and judgement.problem is not None:
        return judgement.problem.question
    return None


def _reasons(reference: int | None, judgement: Judgement) -> str:
    if reference is not None and reference < len(judgement.answers):
        answer = judgement.answers[reference]
        said = f"comes to {answer}" if answer is not None else "gives no final answer"
        standing = judgement.ranking.index(reference + 1) + 1
        return f"Response {reference + 1} {said}; it stands at place {standing} of {len(judgement.answers)}."
    return judgement.text.partition("\n\nAnswer:")[0]


def _number(name: str, reference: int | None, judgement: Judgement) -> float | int | None:
    if name in _SCORE:
        return _score(reference, judgement)
    if reference is not None and name in _NUMBER:
        return reference + 1
    if reference is not None and name in ("rank", "place", "position"):
        return judgement.ranking.index(reference + 1) + 1 if reference < len(judgement.ranking) else None
    if name in _BEST and judgement.ranking:
        return judgement.ranking[0]
    if name in _ANSWER:
        return _as_number(judgement.short_answer)
    return None


def _score(reference: int | None, judgement: Judgement) -> float | None:
    """A share from 0 to 1, always a float: it is stretched to the field's bounds."""
    if reference is not None and reference < len(judgement.scores):
        return judgement.scores[reference]
    if len(judgement.scores) == 1:
        return judgement.scores[0]
    return max(judgement.scores, default=None)


def _as_number(text: str) -> float | int | None:
    try:
        number = float(text.replace(",", ""))
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else number


def _boolean(name: str, reference: int | None, judgement: Judgement) -> bool | None:
    if name in _AGREED and judgement.answers:
        return judgement.unanimous
    is_about_one = reference is not None or len(judgement.answers) == 1
    if is_about_one and judgement.own_answer is not None:  # a verdict, whatever it is called
        score = _score(reference, judgement)
        return None if score is None else score >= 0.3
    return None


def _option(name: str, reference: int | None, judgement: Judgement) -> str | int | None:
    if name in _BEST and judgement.ranking:
        if len(judgement.ranking) == 2 and judgement.scores[0] == judgement.scores[1]:
            return "tie"
        return judgement.ranking[0]
    if name in _ANSWER:
        return final_answer(judgement.text, judgement.problem)
    return None
