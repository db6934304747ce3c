"""What sort of answer a text ends in, and what it is: a number, the letter of a choice, or a few words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from moa_graph.extract.bounds import within_bounds
from moa_graph.extract.choices import choice
from moa_graph.extract.labels import stated_parts
from moa_graph.extract.numbers import number

__all__ = ["READERS", "Kind", "auto", "kind_of", "short_text"]

LONGEST_SHORT_TEXT = 80
MOST_WORDS = 8
MOST_WORDS_AROUND_A_NUMBER = 8

Kind = Literal["number", "choice", "short text"]

_LETTER_ALONE = re.compile(
    r"[\s(\[*_\"'`]*(?:(?i:option|choice)\s+)?\(?([A-J])\)?[\s*_\"'`]*(?:[).:,\]}].*|)\Z", re.DOTALL
)
_SMALL_LETTER_ALONE = re.compile(r"[\s*_\"'`]*\(?[a-hj]\)(?:\s.*)?", re.DOTALL)
_NUMBER_FIRST = re.compile(r"[\s(\[*_\"'`$€£~≈=]*[-−+]?\$?\d")
_ANY_NUMBER = re.compile(r"\d[\d.,]*")
_NO_ANSWER = re.compile(r"\b(?:i|we|cannot|can['\u2019]t|don['\u2019]t|unknown|unsure|sorry|n/a|none)\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


def kind_of(text: str) -> Kind | None:
    """What sort of answer a text ends in; None where it has no short one."""
    text = within_bounds(text)
    for part in (*stated_parts(text), *_standing_alone(text)):
        if (kind := _kind_of_part(part)) is not None:
            return kind
    *_, conclusion = [sentence for sentence in _SENTENCE_END.split(text.strip()) if sentence.strip()] or [""]
    return "number" if len(_ANY_NUMBER.findall(conclusion)) == 1 and number(conclusion) else None


_LAST_LINE = re.compile(r"\*\*.{1,60}\*\*\W*|\S{1,25}(?: \S{1,25}){0,2}")
"""A line that is an answer rather than a sentence: in bold, or of three words at most."""


def _standing_alone(text: str) -> list[str]:
    """The whole of a text that is short, or its last line if that is."""
    lines = [line.strip() for line in text.strip().splitlines() if re.search(r"\w", line) and "```" not in line]
    if len(lines) == 1 and len(lines[0]) <= LONGEST_SHORT_TEXT:
        return lines
    return [lines[-1]] if len(lines) > 1 and _LAST_LINE.fullmatch(lines[-1]) else []


def _kind_of_part(part: str) -> Kind | None:
    words = part.split()
    if _LETTER_ALONE.match(part) or _SMALL_LETTER_ALONE.fullmatch(part):
        return "choice"
    if number(part) is not None:
        first, alone = _NUMBER_FIRST.match(part), len(_ANY_NUMBER.findall(part)) == 1
        if first or "=" in part or (alone and len(words) <= MOST_WORDS_AROUND_A_NUMBER):
            return "number"
    return "short text" if _short(part) else None


def short_text(text: str) -> str | None:
    """The short answer that a text states, or is: without regard to case, punctuation and articles."""
    text = within_bounds(text)
    for part in (*stated_parts(text), *_standing_alone(text)):
        if found := _short(part):
            return found
    return None


def _short(part: str) -> str | None:
    """A part of a text as a short answer, up to a reason that it gives; None where it is none."""
    plain = _ASIDE.split(part.strip(" \t\r\n\"'*_`{}[]()"), maxsplit=1)[0]
    words = re.findall(r"[^\W_]+(?:['\u2019.-][^\W_]+)*", plain.casefold())
    if not words or len(words) > MOST_WORDS or len(plain) > LONGEST_SHORT_TEXT or _NO_ANSWER.search(plain):
        return None
    return " ".join(word for word in words if word not in ("a", "an", "the")) or None


_ASIDE = re.compile(r"[.!?;](?=\s|$)|,\s|\(|\"|\b(?:because|since|as|so)\b")

READERS: dict[Kind, Callable[[str], str | None]] = {"number": number, "choice": choice, "short text": short_text}


def auto(text: str) -> str | None:
    """The answer in one text alone, of whichever sort it is."""
    kind = kind_of(text)
    return choice(text) or number(text) if kind is None else READERS[kind](text)
