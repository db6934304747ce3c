"""The letter of the choice that a text comes to."""

from __future__ import annotations

import re
from collections.abc import Sequence

from moa_graph.extract.bounds import within_bounds
from moa_graph.extract.labels import CHOICE_LABEL, labelled

__all__ = ["choice"]

_ENDS = r"(?![A-Za-z0-9'\u2019+#])(?!-\w)(?!\.[A-Za-z]\b)"
"""Behind a letter that is no part of a word, a name such as C++ or an abbreviation."""
_SURE = rf"(?:[B-HJ]{_ENDS}|A{_ENDS}(?= *(?:$|[^\w\s]|(?:and|as|because|due|is|nor|or|since)\b)))"
"""A letter that can't be a word: "A" only where no noun can follow."""
_SURE_I = rf"I{_ENDS}(?= *(?:$|[^\w\s,]|(?:because|due|is|since)\b))"
_DENIED = re.compile(
    r"(?:\b(?i:neither|nor|not)|n['\u2019]t)(?: be)? (?:(?:the )?(?:choice|letter|option) )?[(\[*]*[A-J]\b(?!['\u2019])"
)

_FIRST_LETTER = re.compile(
    rf"[\W_]*+(?:[a-z]+\{{)?(?i:(?:the )?(?:choice|letter|option)\b)?[\W_]*+({_SURE}|{_SURE_I})"
    r"(?![^\w\n,/&]{0,4}(?:[,/&]|or\b|and\b)[^\w\n]{0,4}[A-HJ]\b)"
)
_LETTER = re.compile(rf"(?<![\w.'\u2019°-])(?<!\d )({_SURE})", re.MULTILINE)
_VERDICT = re.compile(
    r"(?<![\w.'\u2019-])(?<!\b[Ii]f )(?<!\band )(?<!or )(?<!or \()"
    r"([A-J])[)\]*]*\s+is\s+(?:the\s+)?(?:answer|best|correct|right)\b"
)
_SET_OFF = re.compile(
    r"[(\[](?P<bracketed>[A-J])[)\]]|\*\*\(?(?P<bold>[A-J])[).:]*\*\*"
    rf"|\b(?i:choice|option) (?P<named>[A-HJ]{_ENDS}|{_SURE_I})"
    r"|^[^\w\n]*(?P<leading>[A-J])(?:[).](?![A-Za-z]\b)|[^\w\n+#]*$)"
)
_LISTED = re.compile(r"^[^\w\n]*([A-J])(?:[).](?![A-Za-z]\b).*|[^\w\n+#]*)$", re.MULTILINE)


def choice(text: str) -> str | None:
    """The letter from A to J after the last label such as "answer:", else one that is set off, else the only one.

    "I" and "A" in running prose are words, and "not B" names no answer; nor do letters that are listed or contradict
    each other. A small letter counts where it can be nothing else: alone, in a bracket, or behind a label.
    """
    text = _DENIED.sub("", within_bounds(text))
    return _capital(text) or _small(text)


def _capital(text: str) -> str | None:
    for stated in labelled(text, CHOICE_LABEL):
        if (letter := _stated_letter(stated)) is not None:
            return letter
    if verdicts := _VERDICT.findall(text):
        return _only(verdicts)
    if len(set(_LISTED.findall(text))) > 1:
        text = _LISTED.sub("", text)
    for line in reversed(text.splitlines()):
        if letters := [found[found.lastgroup or 0] for found in _SET_OFF.finditer(line)]:
            return _only(letters)
    return _only(_LETTER.findall(text))


_STATED_SMALL = re.compile(r"[^\w\n]*+(?:[a-z]+\{)?[^\w\n]*+([a-hj])(?:[)\]}][^\w\n]*(?:\s|$)|[^\w\n]*$)")
_SMALL_FIRST = re.compile(r"^[^\w\n]*([a-hj])(?:\)(?:\s|$)|[^\w\n]*$)", re.MULTILINE)


def _small(text: str) -> str | None:
    """A small letter that stands alone behind a label or in a line, or that leads a line with a bracket behind it."""
    for stated in labelled(text, CHOICE_LABEL):
        if (found := _STATED_SMALL.match(stated)) is not None:
            return found[1].upper()
    letter = _only(_SMALL_FIRST.findall(text))
    return letter and letter.upper()


def _stated_letter(stated: str) -> str | None:
    if (first := _FIRST_LETTER.match(stated)) is not None:
        return first[1]
    if (small := _STATED_SMALL.match(stated)) is not None:
        return small[1].upper()
    return _only(_LETTER.findall(re.split(r"(?<=[.!?])\s", stated, maxsplit=1)[0]))


def _only(letters: Sequence[str]) -> str | None:
    return letters[0] if len(set(letters)) == 1 else None
