"""The number that a text comes to."""

from __future__ import annotations

import re
from decimal import Context, Decimal, Inexact
from fractions import Fraction

from moa_graph.extract.bounds import within_bounds
from moa_graph.extract.labels import NUMBER_LABEL, labelled

__all__ = ["number", "plain_number"]

_PLAIN = r"(?:\d+(?:,\d{2,3}(?!\d))*(?:\.\d+)?(?:[eE][-+]?\d+)?|(?<!\d)\.\d+)"
_APART = r"(?<!\w)(?<!\d\.)(?<![A-Za-z]\d,)(?!\d+(?![eE][-+]?\d+\b)[A-Za-z]+\d)"
"""Where a number may begin: not within a word, as in ``B12``, ``utf8``, ``Python3.11`` and ``9721bb46``."""
_NUMBER = re.compile(
    r"(?P<sign>(?<![\w)\]}%])(?<![\d)\]}%] )[-−+])?\$?"
    rf"{_APART}(?:(?<![/\d])(?:(?P<whole>\d+) )?(?P<over>{_PLAIN})/(?P<under>{_PLAIN})(?![/\d])|(?P<plain>{_PLAIN}))"
)
_LATEX_FRACTION = re.compile(r"\\[dt]?frac\s?\{(-?[\d.,]+)\}\s?\{([\d.,]+)\}")
_LATEX_THOUSANDS = re.compile(r"(?<=\d)(?:\{,\}|,?\\[,!;:])(?=\d{3})")
_ASIDE = re.compile(
    r"[.!?](?=\s|$)|;|,(?!\d)|\((?=[^()]*=)|\b(?:as|at|because|for|given|if|since|so|when|where|which|with)\b"
)
"""What ends the part of a statement in which its equation stands."""
_LARGEST = 300
"""Digits and places of a number beyond which it isn't written out."""
_EXPONENT = re.compile(r"[eE][-+]?\d{5}")
"""Of a number that no decimal can hold."""
_EXACT = Context(prec=2 * _LARGEST, traps=[Inexact])


def number(text: str) -> str | None:
    """The number after the last label such as "answer:" or in a box, else the last number of the text.

    Of an equation behind a label it is the result. Signs of currency, thousands and units are left out, so that
    ``$1,200.00`` and ``1200`` are the same; so are ``1/2`` and ``0.5``. What no decimal gives exactly is a fraction in
    lowest terms: ``1/3``.
    """
    text = within_bounds(text)
    text = _LATEX_FRACTION.sub(r"\1/\2", re.sub(r"(?<=\d)\s?(?=\\[dt]?frac)", " ", text))
    text = _LATEX_THOUSANDS.sub(",", text)
    for stated in labelled(text, NUMBER_LABEL):
        if (found := _result(stated) or _NUMBER.search(stated)) is not None:
            return _plain(found)
    numbers = list(_NUMBER.finditer(text))
    return _plain(numbers[-1]) if numbers else None


def _result(stated: str) -> re.Match[str] | None:
    """The number behind the last equals sign, before any aside such as a reason or a check."""
    _, equals, result = _ASIDE.split(stated, maxsplit=1)[0].rpartition("=")
    return _NUMBER.search(result) if equals else None


def _plain(found: re.Match[str]) -> str | None:
    """A decimal if that is exact, else a fraction; None if it is divided by zero or too large to write out."""
    parts = (found["whole"] or "0", found["plain"] or found["over"], found["under"] or "1")
    if any(_EXPONENT.search(part) for part in parts):
        return None
    decimals = [Decimal(part.replace(",", "")) or Decimal(0) for part in parts]
    if not decimals[2] or any(len(one.as_tuple().digits) + abs(one.adjusted()) > _LARGEST for one in decimals):
        return None
    whole, over, under = map(Fraction, decimals)
    value = (whole + over / under) * (-1 if found["sign"] in ("-", "−") else 1)
    try:
        decimal = _EXACT.divide(Decimal(value.numerator), Decimal(value.denominator))
    except Inexact:
        return str(value)
    return f"{decimal.normalize(_EXACT):f}"


def plain_number(text: str) -> str | None:
    """A text that is a number and nothing else, written plainly; None for any other."""
    found = _NUMBER.fullmatch(text) if len(text) <= _LARGEST else None
    return None if found is None else _plain(found)
