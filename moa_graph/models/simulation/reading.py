"""What references say: each one's final answer, and the plurality."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

from moa_graph.models.simulation.arithmetic import written
from moa_graph.models.simulation.known_answers import Problem

__all__ = ["final_answer", "plurality", "same_answer"]

_MARKED = [
    re.compile(pattern, re.IGNORECASE | re.MULTILINE)
    for pattern in (
        r"^[^\w\n]*(?:final\s+)?answer[^\w\n]*?[:=][^\S\n]*(\S.*)$",
        r"\\boxed\{([^{}]+)\}",
        r"^####[^\S\n]*(\S.*)$",
        r"\banswer is:?[^\S\n]+(\S.*?)(?:\.(?=\s|$)|$)",
    )
]
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


def final_answer(text: str, problem: Problem | None = None) -> str | None:
    r"""The answer that ``text`` ends in, or None.

    An answer is marked (``Answer: 42``, ``\boxed{42}``, ``#### 42``, "the answer is 42"). Where the problem
    is known and nothing is marked, it is the last number, or the one possible answer that the text names.
    """
    for pattern in _MARKED:
        stated: list[str] = [found.strip(" *_`$\t\r") for found in pattern.findall(text)]
        if any(stated):
            return next(answer for answer in reversed(stated) if answer)
    return None if problem is None else _unmarked_answer(text, problem)


def _unmarked_answer(text: str, problem: Problem) -> str | None:
    if _NUMBER.fullmatch(problem.answer):
        numbers = _NUMBER.findall(text)
        return numbers[-1] if numbers else None
    named = [
        answer
        for answer in (problem.answer, *problem.wrong)
        if re.search(rf"\b{re.escape(answer)}\b", text, re.IGNORECASE)
    ]
    return named[0] if len(named) == 1 else None


def _comparable(answer: str) -> str:
    plain = answer.casefold().strip(" .,;:!?*_`$\"'()")
    number = plain.replace(",", "")
    if len(number) <= 40 and _NUMBER.fullmatch(number):
        return written(Fraction(number))
    return plain


def same_answer(one: str, other: str) -> bool:
    """Whether two answers mean the same: case, punctuation and ``411.0`` for ``411`` don't count."""
    return _comparable(one) == _comparable(other)


def plurality(answers: Sequence[str | None]) -> list[int]:
    """The indices of the answers that agree most, a tie going to the first; empty if there are no answers."""
    votes = Counter(_comparable(answer) for answer in answers if answer is not None)
    if not votes:
        return []
    winner = max(votes, key=votes.__getitem__)
    return [i for i, answer in enumerate(answers) if answer is not None and _comparable(answer) == winner]
