"""The parts that a model can play in a description, and how each is asked unless the description says otherwise.

A part's name stands where a model's could: ``slots: [strong-1, strong-2, cheap-1]``, ``slot: writer``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["KINDS", "SETTINGS", "Part", "part_of"]

KINDS: Mapping[str, str] = {
    "strong": "strong-1, strong-2 ...: good models, of different makers where there are enough",
    "cheap": "cheap-1, cheap-2 ...: small models for first drafts, scores and routing",
    "frontier": "frontier-1, frontier-2 ...: the best there are, at any price",
    "writer": "writer: writes answers that others read or that end a run",
    "judge": "judge: ranks, scores, analyses and moderates",
}
"""Kind of part to what it is for. The first three are numbered."""

SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "strong": {"max_tokens": 1024, "reasoning": "low"},
    "cheap": {"max_tokens": 1024, "reasoning": "off"},
    "frontier": {"max_tokens": 4096, "reasoning": "medium"},
    "writer": {"max_tokens": 2048, "reasoning": "medium"},
    "judge": {"max_tokens": 1024, "reasoning": "low"},
}
"""Answers that are only read by the next stage need little reasoning of their own; the one who joins them, more."""

_NAME = re.compile(r"(strong|cheap|frontier)-([1-9][0-9]?)|(writer|judge)")


class Part(NamedTuple):
    """A part: its kind, and its number from 1, which is 1 for kinds that aren't numbered."""

    kind: str
    number: int


def part_of(name: object) -> Part | None:
    """The part that ``name`` stands for; None if it is no part's name."""
    found = _NAME.fullmatch(name) if isinstance(name, str) else None
    if found is None:
        return None
    return Part(found[1] or found[3], int(found[2] or 1))
