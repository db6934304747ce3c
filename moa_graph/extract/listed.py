"""The choices that a question lists."""

from __future__ import annotations

import re
from itertools import zip_longest

from moa_graph.extract.bounds import within_bounds
from moa_graph.extract.whole import short_text

__all__ = ["listed_choices"]

_CHOICE = re.compile(r"(?:^|[\s(*])(?:([A-J])[).:]|([a-hj])\))[*_]*\s+", re.MULTILINE)
_LINE_END = re.compile(r"\n|\Z")


def listed_choices(question: str) -> dict[str, str]:
    """The letter of each choice by what it says, as a short answer; a choice that says more stands under its letter.

    Small letters are those of choices where each begins a line.
    """
    question = within_bounds(question)
    found = [one for one in _CHOICE.finditer(question) if one[1] or _begins_line(question, one.start(2))]
    listed: dict[str, str] = {}
    for one, following in zip_longest(found, found[1:]):
        letter = (one[1] or one[2]).upper()
        end = _LINE_END.search(question, one.end())
        stop = min(following.start() if following else len(question), end.start() if end else len(question))
        listed.setdefault(short_text(question[one.end() : stop]) or letter, letter)
    return listed if len(set(listed.values())) > 1 else {}


def _begins_line(text: str, place: int) -> bool:
    return not re.search(r"\w", text[text.rfind("\n", 0, place) + 1 : place])
