"""Strings within the bounds of a JSON schema."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from moa_graph.models.simulation.schema.resolution import invalid

__all__ = ["string_within"]

_FORMATS = {
    "date": "2024-02-29",
    "date-time": "2024-02-29T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "simulated@example.com",
    "hostname": "example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
}
_COMMON_FORMS = (
    "simulated",
    "Simulated",
    "SIMULATED",
    "a-b",
    "a_b",
    "a1",
    "A1",
    "1.0",
    "1.0.0",
    "+1234567890",
)
_QUOTED = re.compile(r"[\"“`']([^\"”`'\n]{1,200})[\"”`']")
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][\w-]*(?: [A-Z][\w-]*)*")


def string_within(schema: Mapping[str, Any], known: Any, question: str, index: int) -> str:
    """A string that ``schema`` accepts.

    Args:
        schema: Its ``format``, ``pattern`` and lengths count.
        known: What the field means; otherwise words of the question are taken.
        question: What is asked; what it quotes comes first, then names in it, then all of it.
        index: Which of those words is taken.

    Raises:
        SimulatedFault: 400, when no string at hand matches the schema's ``pattern``.
    """
    if (format_name := schema.get("format")) in _FORMATS:
        return _FORMATS[format_name]
    text = known if isinstance(known, str) else _word(question, index)
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    text = text[:most].ljust(least, ".")
    if "pattern" not in schema:
        return text
    for candidate in (text, *_forms()):
        fits = least <= len(candidate) and (most is None or len(candidate) <= most)
        if fits and re.search(schema["pattern"], candidate):
            return candidate
    raise invalid(f"the simulation knows no string that matches {schema['pattern']!r}")


def _word(question: str, index: int) -> str:
    words = _QUOTED.findall(question) or _NAME.findall(question) or [question.strip() or "simulated"]
    return words[index] if index < len(words) else f"{words[index % len(words)]} {index + 1}"


def _forms() -> Iterator[str]:
    yield from _COMMON_FORMS
    for letter in "aA1":
        yield from (letter * length for length in range(1, 17))
