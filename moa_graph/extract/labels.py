"""Where a text states its answer: behind a label, in a box, or behind GSM8K's four signs."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

from moa_graph.extract.bounds import MOST_LABELS

__all__ = ["CHOICE_LABEL", "NUMBER_LABEL", "labelled", "stated_parts"]

_ANSWER = r"(?i:\banswer)"
_CHOSEN = (
    r"(?i:\banswer(?:\s+choice)?|\b(?:best|correct|final|my|right)\s+(?:alternative|choice|letter|option)"
    r"""|\b(?:choice|option)(?=["'*_`]*\s*:))"""
)


def _label(word: str) -> re.Pattern[str]:
    """The word with what leads over to the answer, in Markdown or JSON too; a box; GSM8K's four signs."""
    return re.compile(rf"""{word}[\s"'*_`]*(?:(?i:is)\b|:|=)\s*|\\boxed\s*\{{|\#\#\#\#\s*""")


NUMBER_LABEL, CHOICE_LABEL = _label(_ANSWER), _label(_CHOSEN)
_BOXED = re.compile(r"(?:[^{}\n]|\{[^{}\n]*\})*")
_LINE = re.compile(r"[^\n]*")


def labelled(text: str, label: re.Pattern[str]) -> Iterator[str]:
    """What stands behind each label on its line, or in its box, the last first."""
    end = len(text)
    for found in reversed(deque(label.finditer(text), maxlen=MOST_LABELS)):
        extent = _BOXED if found[0].endswith("{") else _LINE
        if (stated := extent.match(text, found.end(), end)) is not None:
            yield stated[0]
        end = found.start()


def stated_parts(text: str) -> Iterator[str]:
    """What a text states as its answer, the last first."""
    return labelled(text, CHOICE_LABEL)
