"""What one model call used, as its provider counted it."""

from __future__ import annotations

from typing_extensions import TypedDict

__all__ = ["Usage"]


class Usage(TypedDict):
    """Tokens of one call. ``cached`` prompt tokens are part of ``input``."""

    input: int
    output: int
    cached: int
