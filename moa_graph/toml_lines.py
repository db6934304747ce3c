"""The line on which a field stands in TOML, whose reader in the standard library tells none.

It is the first line with which reading on finds the field: what a text has said once, it can't take back.
"""

from __future__ import annotations

import tomllib
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import Any

__all__ = ["line_in_toml"]

_QUOTES = ("", '\n"""', "\n'''")
_BRACKETS = ("", "\n]", "\n]]", "\n]}", "\n]}]", "\n]}]}", "}", "}]", "}\n]}")
_ENDINGS = tuple(quote + brackets for quote in _QUOTES for brackets in _BRACKETS)
"""What may end a value that goes on in the lines below."""


def line_in_toml(text: str, field: str, value: str | None = None) -> int:
    """The line, from 1, of a field or of what is nearest around it.

    Args:
        text: Valid TOML.
        field: Its path from the top, such as ``stages.0.propose.quorum``.
        value: A text that is to be found within the field.
    """
    lines = text.split("\n")
    path = _path(tomllib.loads(text), field)
    line = _first_line(lines, lambda data: _within(data, path) is not None)
    if value is None:
        return line
    return _first_line(lines, lambda data: value in _texts(_within(data, path)), otherwise=line)


def _path(data: Any, field: str) -> list[str | int]:
    """As much of a field's path as there is. Names may hold dots."""
    if isinstance(data, dict):
        for key, inner in data.items():
            if field == key or field.startswith(f"{key}."):
                return [key, *_path(inner, field[len(key) + 1 :])]
    if isinstance(data, list):
        index, _, rest = field.partition(".")
        if index.isdigit() and int(index) < len(data):
            return [int(index), *_path(data[int(index)], rest)]
    return []


def _within(data: Any, path: Sequence[str | int]) -> Any:
    """What stands at a path; None where nothing does: TOML has no such value."""
    for part in path:
        try:
            data = data[part]
        except LookupError:
            return None
    return data


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, list | dict):
        for inner in data if isinstance(data, list) else (*data, *data.values()):
            yield from _texts(inner)


def _first_line(lines: Sequence[str], holds: Callable[[Any], bool], otherwise: int = 1) -> int:
    found = bisect_left(range(len(lines)), True, key=lambda last: holds(_read(lines[: last + 1])))
    return found + 1 if found < len(lines) else otherwise


def _read(lines: Sequence[str]) -> Any:
    """What the beginning of a text holds, without the lines at its end that say nothing before the next one."""
    for end in range(len(lines), 0, -1):
        for ending in _ENDINGS:
            try:
                return tomllib.loads("\n".join(lines[:end]) + ending)
            except tomllib.TOMLDecodeError:
                continue
    return {}
