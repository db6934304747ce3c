"""The answer in a text: what a vote counts, and what models agree or disagree on."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from moa_graph.errors import MixtureError

__all__ = ["EXTRACTORS", "Extract", "Extractor", "extractor", "plurality"]

Extractor = Callable[[str], str | None]
"""Gives the answer in a text, in a form in which equal answers are equal; None where there is none."""

_NUMBER = re.compile(r"[-−+]?\$?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?|[-−+]?\.\d+")
_LABELLED = re.compile(
    r"""(?:["']answer["']\s*:\s*|\\boxed\{|(?:final\s+)?answer\s*(?:is|:|=)\s*|\#\#\#\#\s*)(?P<rest>[^\n]*)""",
    re.IGNORECASE,
)
_CHOICE = re.compile(r"(?<![A-Za-z])\(?([A-J])\)?(?![A-Za-z'])")


def number(text: str) -> str | None:
    """The number after the last label such as "answer:" or a box, else the last number of the text.

    Signs of currency, thousands and units are left out, so that ``$1,200.00`` and ``1200`` are the same.
    """
    for found in reversed(list(_LABELLED.finditer(text))):
        if (value := _NUMBER.search(found["rest"])) is not None:
            return _plain(value[0])
    numbers = _NUMBER.findall(text)
    return _plain(numbers[-1]) if numbers else None


def choice(text: str) -> str | None:
    """The letter from A to J after the last label such as "answer:", else the last one that stands alone."""
    for found in reversed(list(_LABELLED.finditer(text))):
        if (value := _CHOICE.search(found["rest"])) is not None:
            return value[1]
    letters = _CHOICE.findall(text)
    return letters[-1] if letters else None


def exact(text: str) -> str | None:
    """The whole text, without regard to case, white space and a full stop at its end."""
    return " ".join(text.split()).rstrip(".").casefold() or None


EXTRACTORS: dict[str, Extractor] = {"number": number, "choice": choice, "exact": exact}


def extractor(spec: str | Extractor) -> Extractor:
    """The extractor that a description names: ``number``, ``choice``, ``exact``, ``json:FIELD``, or a function.

    Raises:
        MixtureError: None has this name.
    """
    if not isinstance(spec, str):
        return spec
    if spec in EXTRACTORS:
        return EXTRACTORS[spec]
    kind, _, field = spec.partition(":")
    if kind == "json" and field:
        return lambda text: _json_field(text, field)
    raise MixtureError(f"{spec!r} is no extractor; there are {', '.join(sorted(EXTRACTORS))} and json:FIELD")


def _read_extract(value: Any) -> Any:
    if callable(value):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no extractor: write its name, or in Python give a function of the text")
    try:
        extractor(value)
    except MixtureError as error:
        raise ValueError(str(error)) from None
    return value


def _write_extract(extract: str | Extractor) -> str:
    if isinstance(extract, str):
        return extract
    raise ValueError(f"{extract!r} is a function, which can't be written: name an extractor")


Extract = Annotated[
    str | Extractor,
    PlainValidator(_read_extract),
    PlainSerializer(_write_extract, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^(number|choice|exact|json:.+)$"}),
]
"""An extractor's name in a description, or in Python a function of the text."""


def plurality(answers: Sequence[str | None]) -> tuple[str | None, int, bool]:
    """The answer given most often, how often, and whether another was given as often. The earliest wins a tie."""
    counted = Counter(answer for answer in answers if answer is not None)
    if not counted:
        return None, 0, False
    (winner, votes), *others = counted.most_common()
    return winner, votes, any(count == votes for _, count in others)


def _plain(value: str) -> str | None:
    try:
        parsed = Decimal(value.replace(",", "").replace("$", "").replace("−", "-"))
    except InvalidOperation:
        return None
    return f"{parsed.normalize():f}" if parsed.is_finite() and parsed.adjusted() < 100 else None


def _json_field(text: str, field: str) -> str | None:
    """The field of the last JSON object in a text that has it."""
    decoder = json.JSONDecoder()
    found: Any = None
    for start in re.finditer(r"\{", text):
        try:
            parsed, _ = decoder.raw_decode(text, start.start())
        except ValueError:
            continue
        if isinstance(parsed, dict) and field in parsed:
            found = parsed[field]
    return (
        None if found is None else json.dumps(found, sort_keys=True) if isinstance(found, dict | list) else str(found)
    )
