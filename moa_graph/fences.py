"""The lines between which models are shown other models' texts, and what is done about those that a model repeats."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

__all__ = ["delimiter", "fence", "read_references", "unfinished_fence", "without_fences"]


def fence(texts: Sequence[str], title: str = "response", *, beside: Sequence[str] = ()) -> str:
    """``texts`` one after another, numbered from 1, each between fence lines that none of them contains.

    Args:
        texts: What is fenced.
        title: What each is called.
        beside: All texts that are fenced in the same message, if there are others: none may know the fences there.
    """
    mark = delimiter(beside or texts)
    return "\n\n".join(
        f"<<{title} {number} | {mark}>>\n{text}\n<<end of {title} {number} | {mark}>>"
        for number, text in enumerate(texts, start=1)
    )


def delimiter(texts: Sequence[str]) -> str:
    """A mark that comes from ``texts``, and that none of them contains."""
    digest = hashlib.sha256("\x00".join(texts).encode("utf-8", "surrogatepass"))
    mark = digest.hexdigest()[:12]
    while any(mark in text for text in texts):
        digest.update(b"again")
        mark = digest.hexdigest()[:12]
    return mark


_FENCED = re.compile(
    r"^<<(?P<title>[\w ]+) (?P<number>\d+) \| (?P<mark>[0-9a-f]{12})>>\n"
    r"(?P<text>.*?)\n<<end of (?P=title) (?P=number) \| (?P=mark)>>$",
    re.DOTALL | re.MULTILINE,
)


def read_references(text: str) -> list[str]:
    """The texts of a message's last group of fences, in order; the reverse of :func:`fence`."""
    found = list(_FENCED.finditer(text))
    return [match["text"] for match in found if match.group("mark", "title") == found[-1].group("mark", "title")]


_FENCE = re.compile(r"<<(?:end of )?[A-Za-z][\w ]{0,40}\| ?[0-9a-f]{12}(?:>>|>(?!>)|(?=[^\w>]|\Z))[^\S\n]*\n?")
LONGEST = 90
"""Characters of a fence line, with the white space behind it."""

_UNFINISHED = re.compile(r"<(?:<(?:[A-Za-z][\w ]{0,48}(?:\| ?(?:[0-9a-f]{0,12}>?|[0-9a-f]{12}>>[^\S\n]*))?)?)?\Z")


def without_fences(text: str) -> str:
    """``text`` without the lines between which models are shown other models' texts."""
    return _FENCE.sub("", text) if "<<" in text else text


def unfinished_fence(text: str) -> int:
    """Where a fence line may have begun that hasn't ended yet; the end of the text where none has."""
    found = _UNFINISHED.search(text, max(len(text) - LONGEST, 0)) if "<" in text[-LONGEST:] else None
    return len(text) if found is None else found.start()
