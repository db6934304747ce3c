"""The answer in a text: what a vote counts, and what models agree or disagree on."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from decimal import Context, Decimal, Inexact
from fractions import Fraction
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from moa_graph.errors import MixtureError

__all__ = ["EXTRACTORS", "Extract", "Extractor", "extractor", "plurality"]

Extractor = Callable[[str], str | None]
"""Gives the answer in a text, in a form in which equal answers are equal; None where there is none."""

_ANSWER = r"(?i:\banswer)"
_CHOSEN = (
    r"(?i:\banswer(?:\s+choice)?|\b(?:best|correct|final|my|right)\s+(?:alternative|choice|letter|option)"
    r"""|\b(?:choice|option)(?=["'*_`]*\s*:))"""
)


def _label(word: str) -> re.Pattern[str]:
    """The word with what leads over to the answer, in Markdown or JSON too; a box; GSM8K's four signs."""
    return re.compile(rf"""{word}[\s"'*_`]*(?:(?i:is)\b|:|=)\s*|\\boxed\s*\{{|\#\#\#\#\s*""")


_NUMBER_LABEL, _CHOICE_LABEL = _label(_ANSWER), _label(_CHOSEN)
_BOXED = re.compile(r"(?:[^{}\n]|\{[^{}\n]*\})*")
_LINE = re.compile(r"[^\n]*")


def _labelled(text: str, label: re.Pattern[str]) -> Iterator[str]:
    """What stands behind each label on its line, or in its box, the last first."""
    end = len(text)
    for found in reversed(list(label.finditer(text))):
        extent = _BOXED if found[0].endswith("{") else _LINE
        if (stated := extent.match(text, found.end(), end)) is not None:
            yield stated[0]
        end = found.start()


_PLAIN = r"(?:\d+(?:,\d{2,3}(?!\d))*(?:\.\d+)?(?:[eE][-+]?\d+)?|(?<!\d)\.\d+)"
_NUMBER = re.compile(
    r"(?P<sign>(?<![\w)\]}%])(?<![\d)\]}%] )[-−+])?\$?"
    rf"(?:(?<![/\d])(?:(?P<whole>\d+) )?(?P<over>{_PLAIN})/(?P<under>{_PLAIN})(?![/\d])|(?P<plain>{_PLAIN}))"
)
_LATEX_FRACTION = re.compile(r"\\[dt]?frac\s?\{(-?[\d.,]+)\}\s?\{([\d.,]+)\}")
_LATEX_THOUSANDS = re.compile(r"(?<=\d)(?:\{,\}|,?\\[,!;:])(?=\d{3})")
_ASIDE = re.compile(
    r"[.!?](?=\s|$)|;|,(?!\d)|\((?=[^()]*=)|\b(?:as|at|because|for|given|if|since|so|when|where|which|with)\b"
)
"""What ends the part of a statement in which its equation stands."""
_LARGEST = 300
"""Digits and places of a number beyond which it isn't written out."""
_EXACT = Context(prec=2 * _LARGEST, traps=[Inexact])


def number(text: str) -> str | None:
    """The number after the last label such as "answer:" or in a box, else the last number of the text.

    Of an equation behind a label it is the result. Signs of currency, thousands and units are left out, so that
    ``$1,200.00`` and ``1200`` are the same; so are ``1/2`` and ``0.5``. What no decimal gives exactly is a fraction in
    lowest terms: ``1/3``.
    """
    text = _LATEX_FRACTION.sub(r"\1/\2", re.sub(r"(?<=\d)\s?(?=\\[dt]?frac)", " ", text))
    text = _LATEX_THOUSANDS.sub(",", text)
    for stated in _labelled(text, _NUMBER_LABEL):
        if (found := _result(stated) or _NUMBER.search(stated)) is not None:
            return _plain(found)
    numbers = list(_NUMBER.finditer(text))
    return _plain(numbers[-1]) if numbers else None


def _result(stated: str) -> re.Match[str] | None:
    """The number behind the last equals sign, before any aside such as a reason or a check."""
    _, equals, result = _ASIDE.split(stated, maxsplit=1)[0].rpartition("=")
    return _NUMBER.search(result) if equals else None


def _plain(found: re.Match[str]) -> str | None:
    """A decimal if that is exact, else a fraction; None if it is divided by zero or too large to write out."""
    parts = (found["whole"] or "0", found["plain"] or found["over"], found["under"] or "1")
    decimals = [Decimal(part.replace(",", "")) or Decimal(0) for part in parts]
    if not decimals[2] or any(len(one.as_tuple().digits) + abs(one.adjusted()) > _LARGEST for one in decimals):
        return None
    whole, over, under = map(Fraction, decimals)
    value = (whole + over / under) * (-1 if found["sign"] in ("-", "−") else 1)
    try:
        decimal = _EXACT.divide(Decimal(value.numerator), Decimal(value.denominator))
    except Inexact:
        return str(value)
    return f"{decimal.normalize(_EXACT):f}"


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
    each other.
    """
    text = _DENIED.sub("", text)
    for stated in _labelled(text, _CHOICE_LABEL):
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


def _stated_letter(stated: str) -> str | None:
    if (first := _FIRST_LETTER.match(stated)) is not None:
        return first[1]
    return _only(_LETTER.findall(re.split(r"(?<=[.!?])\s", stated, maxsplit=1)[0]))


def _only(letters: Sequence[str]) -> str | None:
    return letters[0] if len(set(letters)) == 1 else None


def exact(text: str) -> str | None:
    """The whole text, without regard to case, white space and a full stop at its end."""
    return " ".join(text.split()).rstrip(".").casefold() or None


EXTRACTORS: dict[str, Extractor] = {"number": number, "choice": choice, "exact": exact}


def extractor(spec: str | Extractor) -> Extractor:
    """The extractor that a description names: ``number``, ``choice``, ``exact``, ``json:FIELD``, or a function.

    Raises:
        MixtureError: None has this name.
    """
    if not isinstance(spec, str):
        return spec
    if spec in EXTRACTORS:
        return EXTRACTORS[spec]
    kind, _, field = spec.partition(":")
    if kind == "json" and field:
        return lambda text: _json_field(text, field)
    raise MixtureError(f"{spec!r} is no extractor; there are {', '.join(sorted(EXTRACTORS))} and json:FIELD")


def _read_extract(value: Any) -> Any:
    if callable(value):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no extractor: write its name, or in Python give a function of the text")
    try:
        extractor(value)
    except MixtureError as error:
        raise ValueError(str(error)) from None
    return value


def _write_extract(extract: str | Extractor) -> str:
    if isinstance(extract, str):
        return extract
    raise ValueError(f"{extract!r} is a function, which can't be written: name an extractor")


Extract = Annotated[
    str | Extractor,
    PlainValidator(_read_extract),
    PlainSerializer(_write_extract, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^(number|choice|exact|json:.+)$"}),
]
"""An extractor's name in a description, or in Python a function of the text."""


def plurality(answers: Sequence[str | None]) -> tuple[str | None, int, bool]:
    """The answer given most often, how often, and whether another was given as often. The earliest wins a tie."""
    counted = Counter(answer for answer in answers if answer is not None)
    if not counted:
        return None, 0, False
    (winner, votes), *others = counted.most_common()
    return winner, votes, any(count == votes for _, count in others)


_AS_WRITTEN = json.JSONDecoder(parse_int=str, parse_float=str)


def _json_field(text: str, field: str) -> str | None:
    """The field of the last JSON object in a text that has it; numbers, quoted or not, in the form of `number`."""
    answer: str | None = None
    for start in re.finditer(r"\{", text):
        try:
            parsed, _ = _AS_WRITTEN.raw_decode(text, start.start())
            if isinstance(parsed, dict) and field in parsed:
                answer = _written(_with_plain_numbers(parsed[field]))
        except (ValueError, RecursionError):
            continue
    return answer


def _with_plain_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_plain_numbers(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_with_plain_numbers(one) for one in value]
    found = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    return value if found is None else _plain(found) or value


def _written(value: Any) -> str | None:
    if value is None:
        return None
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else str(value)
