"""The answers in several texts, read the same way, so that they can be counted: what a vote and a stop compare.

Where nobody says how (``auto``), it follows from what the texts look like, and from the choices that the question
lists: numbers, letters of choices, or short texts. Texts without a short answer are compared as wholes, by their words,
and are told apart from answers that were counted: see :class:`Answers`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from moa_graph.extract.bounds import within_bounds
from moa_graph.extract.choices import choice
from moa_graph.extract.listed import listed_choices
from moa_graph.extract.spec import Extractor, extractor
from moa_graph.extract.whole import READERS, Kind, kind_of, short_text
from moa_graph.similarity import similarities, tf_idf

__all__ = ["ALIKE", "AUTO", "Answers", "answer_line", "plurality", "read_answers"]

AUTO = "auto"

ALIKE = 0.8
"""Cosine of two texts' words (TF-IDF) from which they count as one answer, where there is none to extract."""


@dataclass(frozen=True)
class Answers:
    """What several texts come to.

    Args:
        by: How they were read: ``number``, ``choice``, ``short text``, the name of another extractor, ``function``, or
            ``similarity`` where there was nothing to extract and whole texts were compared.
        values: Each text's answer, normalized so that equal answers compare equal; None where it has none. By
            similarity, the number of the first text that it is like.
        typical: The index of the text most like all the others; None where answers were extracted.
    """

    by: str
    values: tuple[str | None, ...]
    typical: int | None = None

    @property
    def extracted(self) -> bool:
        """Whether answers were read, rather than whole texts compared."""
        return self.by != "similarity"


def read_answers(texts: Sequence[str], extract: str | Extractor, question: str = "") -> Answers:
    """The texts' answers.

    Args:
        texts: What several models wrote.
        extract: How an answer is read: ``auto``, the name of an extractor, or a function.
        question: What was asked: if it lists choices, letters are looked for.
    """
    if extract != AUTO:
        texts = [_CONFIDENCE_LINE.sub("", text) for text in texts]
        by = extract if isinstance(extract, str) else "function"
        return Answers(by, tuple(map(extractor(extract), texts)))
    texts = [_CONFIDENCE_LINE.sub("", within_bounds(text)) for text in texts]
    listed = listed_choices(question)
    if len(listed) > 1:
        chosen = tuple(choice(text) or listed.get(short_text(text) or "") for text in texts)
        if any(chosen):
            return Answers("choice", chosen)
    kind = _kind_of_all(texts)
    return _by_similarity(texts) if kind is None else Answers(kind, tuple(map(READERS[kind], texts)))


def _kind_of_all(texts: Sequence[str]) -> Kind | None:
    """How the texts' answers are best read; None where they have no short ones."""
    kinds = Counter(kind for kind in map(kind_of, texts) if kind is not None)
    if 2 * kinds.total() < len(texts) or not kinds:
        return None
    return max(kinds, key=lambda kind: (kinds[kind], -_PREFERRED.index(kind)))


_CONFIDENCE_LINE = re.compile(r"^[ \t*_#>-]*confidence\b[ \t*_]*:.*$", re.IGNORECASE | re.MULTILINE)
_PREFERRED: tuple[Kind, ...] = ("choice", "number", "short text")


def _by_similarity(texts: Sequence[str]) -> Answers:
    """Each text under the number of the first one that it says nearly the same as."""
    alike = similarities(tf_idf(texts))
    firsts: list[int] = []
    values = []
    for index in range(len(texts)):
        like = next((first for first in firsts if alike[index][first] >= ALIKE), index)
        firsts += [index] if like == index else []
        values.append(f"response {like + 1}")
    typical = max(range(len(texts)), key=lambda index: sum(alike[index]), default=None)
    return Answers("similarity", tuple(values), typical)


def answer_line(extract: str | Extractor, *, confidence: bool = False) -> str | None:
    """What models are told so that their answers can be read; None where there is nothing to tell.

    Args:
        extract: How answers are read.
        confidence: Whether they are to state how sure they are.
    """
    asked = _ASKED.get(extract) if isinstance(extract, str) else None
    lines = [asked] if asked else []
    if confidence:
        lines.append(
            'then a line "Confidence: " with how sure you are of it, from 0 to 1' if asked else _CONFIDENCE_ALONE
        )
    return f"{', and '.join(lines)}." if lines else None


_CONFIDENCE_ALONE = 'End with a line "Confidence: " with how sure you are of your answer, from 0 to 1'
_ASKED = {
    AUTO: (
        "If the query has one short answer, such as a number, a letter of its choices or a few words, end with a line "
        '"Answer: " and that answer alone'
    ),
    "number": 'End with a line "Answer: " and the number alone',
    "choice": 'End with a line "Answer: " and the letter of your choice alone',
}


def plurality(answers: Sequence[str | None]) -> tuple[str | None, int, bool]:
    """The answer given most often, how often, and whether another was given as often. The earliest wins a tie."""
    counted = Counter(answer for answer in answers if answer is not None)
    if not counted:
        return None, 0, False
    (winner, votes), *others = counted.most_common()
    return winner, votes, any(count == votes for _, count in others)
