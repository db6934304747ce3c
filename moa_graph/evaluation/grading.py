"""Which recorded answers are right: those whose extracted answer equals the extracted reference."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from moa_graph.errors import MixtureError
from moa_graph.extract import Extractor, extractor

__all__ = ["GRADES", "grader", "reference_text"]

GRADES = ("number", "choice", "exact", "json:FIELD", "module:function", "math-verify")
"""How answers can be graded without a model."""


def grader(spec: str | Extractor) -> Extractor:
    """The function that normalizes an answer or a reference, so that equal answers compare equal.

    Args:
        spec: ``number``, ``choice``, ``exact``, ``json:FIELD``, ``module:function`` for a Python function from text to
            text or None, or ``math-verify``, which needs that package.

    Raises:
        MixtureError: There is no such grade.
    """
    if not isinstance(spec, str):
        return spec
    if spec == "math-verify":
        return _mathematical()
    module, mark, name = spec.partition(":")
    if mark and module != "json":
        try:
            found = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise MixtureError(f"--grade {spec}: the function can't be imported: {error}") from error
        if not callable(found):
            raise MixtureError(f"--grade {spec}: it isn't a function that takes a text")
        return found  # type: ignore[no-any-return]
    try:
        return extractor(spec)
    except MixtureError as error:
        raise MixtureError(f"--grade: {error}; or module:function, or math-verify") from None


def _mathematical() -> Extractor:
    try:
        from math_verify import parse
    except ImportError as error:
        raise MixtureError("--grade math-verify needs the package math-verify: pip install math-verify") from error

    from sympy import Expr, nsimplify

    def simplest(text: str) -> str | None:
        parsed = parse(text)
        if not parsed:
            return None
        found = parsed[0]
        # numbers alone: expanding a formula that a model wrote may take forever
        is_number = isinstance(found, Expr) and found.is_number
        return str(nsimplify(found, rational=True) if is_number else found)

    return simplest


def reference_text(
    answer: Any, choices: Sequence[str] | Mapping[str, str] | None, grade: str | Extractor
) -> str | None:
    """The reference as text that the grader reads; the place of a choice becomes its letter.

    Args:
        answer: As the data has it: a text or number, or for choices a letter, an index from 0, or the choice's text.
        choices: What could be chosen from, where the data says.
        grade: How it is graded.
    """
    if answer is None or (isinstance(answer, str) and not answer.strip()):
        return None
    if grade != "choice":
        return str(answer)
    texts = list(choices.values()) if isinstance(choices, Mapping) else list(choices or ())
    if isinstance(answer, int) and not isinstance(answer, bool):
        return f"answer: {chr(ord('A') + answer)}"
    if str(answer) in texts:
        return f"answer: {chr(ord('A') + texts.index(str(answer)))}"
    letter = re.fullmatch(r"\W*([A-Ja-j])\W*", str(answer))
    return f"answer: {letter[1].upper()}" if letter else str(answer)
