"""Sums found in plain text and computed exactly."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

__all__ = ["Sum", "find_sum", "written", "wrong_numbers"]

LONGEST_TEXT = 2_000
LONGEST_EXPRESSION = 200
LARGEST_EXPONENT = 64
LARGEST_BITS = 256


class Sum(NamedTuple):
    """An expression in Python's notation and its value."""

    expression: str
    value: Fraction


_WORDS = [
    (re.compile(pattern, re.IGNORECASE), symbol)
    for pattern, symbol in (
        (r"(?<=\d),(?=\d{3}(?!\d))", ""),
        (r"\bplus\b", "+"),
        (r"\bminus\b|\u2212|\u2013", "-"),
        (r"\b(?:times|multiplied by)\b|\u00d7|(?<=[\d)])\s*x\s*(?=[\d(])", "*"),
        (r"\bdivided by\b|\u00f7", "/"),
        (r"\b(?:to the power of)\b|\^", "**"),
        (r"\b(?:modulo|mod)\b", "%"),
        (r"[ \t\u00a0]+", " "),
    )
]
_OPERAND = r"(?:\( ?)*+-? ?(?:\( ?)*+\d++(?:\.\d++)?(?: ?\))*+"
_OPERATOR = r" ?(?:\*\*|//|[-+*/%]) ?"
_EXPRESSION = re.compile(rf"(?<![\d.\w]){_OPERAND}(?:{_OPERATOR}{_OPERAND})+(?!\w)")
_TOKEN = re.compile(r"\d+(?:\.\d+)?|\*\*|//|[-+*/%()]")
_RANGE_OR_DATE = re.compile(r"\d+(?:[-/]\d+)+")
_MEANT = re.compile(r"what(?:'s| is)|calculat|comput|evaluat|solve|how much|=", re.IGNORECASE)


def find_sum(text: str) -> Sum | None:
    """The longest sum in ``text`` that can be computed, or None.

    Unspaced dashes and slashes, as in ``3-5`` or ``24/7``, count only where the text asks for a calculation.
    """
    text = text[-LONGEST_TEXT:]
    for pattern, symbol in _WORDS:
        text = pattern.sub(symbol, text)
    found = sorted((_balanced(match[0]) for match in _EXPRESSION.finditer(text)), key=len, reverse=True)
    meant = _MEANT.search(text) is not None
    for expression in found:
        if _RANGE_OR_DATE.fullmatch(expression) and not meant and expression != text.strip():
            continue
        value = _value(expression)
        if value is not None:
            return Sum(expression, value)
    return None


def _balanced(expression: str) -> str:
    """``expression`` without the brackets at its ends that have no partner."""
    expression = expression.strip()
    while expression.endswith(")") and expression.count(")") > expression.count("("):
        expression = expression[:-1].rstrip()
    while expression.startswith("(") and expression.count("(") > expression.count(")"):
        expression = expression[1:].lstrip()
    return expression


def _value(expression: str) -> Fraction | None:
    if len(expression) > LONGEST_EXPRESSION:
        return None
    try:
        return _Calculation(expression).value()
    except (ArithmeticError, ValueError):
        return None


class _Calculation:
    """Computes an expression by precedence climbing, as Python would.

    Not by way of ``ast.parse``: in Python 3.11.7 it can't run in several threads at once (CPython issue 106905).
    """

    def __init__(self, expression: str) -> None:
        self._tokens = _TOKEN.findall(expression)
        self._tokens.reverse()

    def value(self) -> Fraction:
        value = self._term(0)
        if self._tokens:
            raise ValueError("something follows the sum")
        return value

    def _term(self, weakest: int) -> Fraction:
        """The value up to the first operator that binds more weakly than ``weakest``."""
        left = self._operand()
        while self._tokens and _STRENGTH.get(self._tokens[-1], -1) >= weakest:
            operation = self._tokens.pop()
            strength = _STRENGTH[operation]
            right = self._term(strength if operation == "**" else strength + 1)
            left = _bounded(_OPERATIONS[operation](left, right))
        return left

    def _operand(self) -> Fraction:
        token = self._tokens.pop() if self._tokens else ""
        if token == "-":
            return -self._term(STRENGTH_OF_A_SIGN)
        if token != "(":
            return _number(token)
        value = self._term(0)
        if not self._tokens or self._tokens.pop() != ")":
            raise ValueError("a bracket isn't closed")
        return value


def _number(token: str) -> Fraction:
    if len(token) > 1 and token[0] == "0" and token[1] != ".":
        raise ValueError("a number doesn't begin with 0: this is a date or a code")
    return _bounded(Fraction(token))


def _bounded(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > LARGEST_BITS:
        raise ValueError("too large")
    return value


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1 or abs(exponent) > LARGEST_EXPONENT:
        raise ValueError("no small whole exponent")
    return Fraction(base ** int(exponent))


_OPERATIONS: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": lambda left, right: Fraction(left // right),
    "%": operator.mod,
    "**": _power,
}
_STRENGTH = {"+": 0, "-": 0, "*": 1, "/": 1, "//": 1, "%": 1, "**": 3}
STRENGTH_OF_A_SIGN = 2


def written(value: Fraction) -> str:
    """``value`` as people write it: whole, or with at most ten digits."""
    return str(value.numerator) if value.denominator == 1 else format(float(value), ".10g")


def wrong_numbers(value: Fraction) -> tuple[str, ...]:
    """What one gets who slips: off by one, by ten, by a carry, with two digits swapped."""
    slips = [value + 1, value - 1, value + 10, value - 10, value + 2, value * 10]
    if value.denominator == 1 and abs(value) >= 10:
        digits = str(abs(value.numerator))
        swapped = Fraction(digits[:-2] + digits[-1] + digits[-2])
        slips.append(-swapped if value < 0 else swapped)
    right = written(value)
    return tuple(dict.fromkeys(text for text in map(written, slips) if text != right))
