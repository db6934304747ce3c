"""How a description names an extractor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from moa_graph.errors import MixtureError
from moa_graph.extract.choices import choice
from moa_graph.extract.fields import json_field
from moa_graph.extract.numbers import number
from moa_graph.extract.whole import auto

__all__ = ["EXTRACTORS", "Extract", "Extractor", "exact", "extractor"]

Extractor = Callable[[str], str | None]
"""Gives the answer in a text, normalized so that equal answers compare equal; None where there is none."""


def exact(text: str) -> str | None:
    """The whole text, without regard to case, white space and a full stop at its end."""
    return " ".join(text.split()).rstrip(".").casefold() or None


EXTRACTORS: dict[str, Extractor] = {"auto": auto, "number": number, "choice": choice, "exact": exact}


def extractor(spec: str | Extractor) -> Extractor:
    """The extractor that a description names: ``auto``, ``number``, ``choice``, ``exact``, ``json:FIELD``, or itself.

    Raises:
        MixtureError: None has this name.
    """
    if not isinstance(spec, str):
        return spec
    if spec in EXTRACTORS:
        return EXTRACTORS[spec]
    kind, _, field = spec.partition(":")
    if kind == "json" and field:
        return lambda text: json_field(text, field)
    raise MixtureError(f"{spec!r} isn't an extractor; there are {', '.join(sorted(EXTRACTORS))} and json:FIELD")


def _read_extract(value: Any) -> Any:
    if callable(value):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{value!r} isn't an extractor: write its name, or in Python give a function of the text")
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
    WithJsonSchema({"type": "string", "pattern": "^(auto|number|choice|exact|json:.+)$"}),
]
"""An extractor's name in a description, or in Python a function of the text."""
