"""What one model call used, as its provider counted it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NotRequired

from typing_extensions import TypedDict

__all__ = ["Usage", "sum_of"]


class Usage(TypedDict):
    """Tokens of one call. ``cached`` prompt tokens are part of ``input``, and ``reasoning`` tokens of ``output``."""

    input: int
    output: int
    cached: int
    reasoning: NotRequired[int]
    """Tokens that were spent on thinking; left out where there were none."""


def sum_of(usages: Sequence[Usage]) -> Usage:
    """The tokens of several calls together."""
    reasoning = sum(usage.get("reasoning", 0) for usage in usages)
    total: Usage = {
        "input": sum(usage["input"] for usage in usages),
        "output": sum(usage["output"] for usage in usages),
        "cached": sum(usage["cached"] for usage in usages),
    }
    return {**total, "reasoning": reasoning} if reasoning else total
