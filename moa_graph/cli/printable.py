"""Models' words on a terminal: they must not steer it."""

from __future__ import annotations

import re

__all__ = ["printable"]

_STEERING = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)


def printable(text: str) -> str:
    """``text`` without escape sequences and control characters but for tab and newline."""
    return _STEERING.sub("", text)
