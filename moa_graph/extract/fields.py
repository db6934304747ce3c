"""The field of a JSON object in a text."""

from __future__ import annotations

import json
import re
from collections import deque
from typing import Any

from moa_graph.extract.bounds import MOST_OBJECTS, within_bounds
from moa_graph.extract.numbers import plain_number

__all__ = ["json_field"]

_AS_WRITTEN = json.JSONDecoder(parse_int=str, parse_float=str)


def json_field(text: str, field: str) -> str | None:
    """The field of the last JSON object in a text that has it; numbers, quoted or not, as `number` writes them."""
    text = within_bounds(text)
    for start in reversed(deque(re.finditer(r"\{", text), maxlen=MOST_OBJECTS)):
        try:
            parsed, _ = _AS_WRITTEN.raw_decode(text[start.start() :])
            if isinstance(parsed, dict) and field in parsed:
                return _written(_with_plain_numbers(parsed[field]))
        except (ValueError, RecursionError):
            continue
    return None


def _with_plain_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_plain_numbers(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_with_plain_numbers(one) for one in value]
    return (plain_number(value) or value) if isinstance(value, str) else value


def _written(value: Any) -> str | None:
    if value is None:
        return None
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else str(value)
