"""What is wrong with a description, in words: which field, on which line, and what was probably meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from moa_graph.description import Description
from moa_graph.errors import MixtureError
from moa_graph.source import Source
from moa_graph.stage_kit.base import Stage, stage_kinds

__all__ = ["SHORT_FORM", "explained", "located", "refuse_misspelt"]

SHORT_FORM = ("proposers", "aggregator", "layers")
"""What may be written in the place of ``stages``."""

_FIELD = re.compile(r"(?P<field>[A-Za-z_][\w-]*(?:\.[^\s:]+)*): (?P<what>.*)", re.DOTALL)
"""A message that begins with the field it is about."""

_VALUE = re.compile(r"'(?P<value>[^']*)'")
"""A value that a message is about."""


def explained(
    root: type[Description], name: str, error: ValidationError, source: Source | None = None, *, short: bool = False
) -> MixtureError:
    """An error that names every problem.

    Args:
        root: What was described.
        name: Name of the mixture, for descriptions that are no file.
        error: What pydantic found.
        source: The text that was read; None for plain data.
        short: Whether models were given in the place of stages, so that those are what the person knows of.
    """
    told = [_in_words(root, one) for one in _problems(error)]
    problems = dict.fromkeys(_as_written(problem) if short else problem for problem in told)
    if source is None or source.path is None:
        return MixtureError(f"{name}: {'; '.join(problem + _line(problem, source) for problem in problems)}")
    return MixtureError("; ".join(_placed(name, problem, source) for problem in problems))


def located(error: MixtureError, name: str, source: Source) -> MixtureError:
    """An error about a mixture that was read from a file, with the file and the line where its name stood.

    Args:
        error: What a later step found; its message begins with the mixture's name.
        name: The mixture's name.
        source: The text that the mixture was read from.
    """
    text = str(error)
    if not text.startswith(f"{name}: "):
        return error
    return type(error)(_placed(name, text.removeprefix(f"{name}: "), source))


def _placed(name: str, problem: str, source: Source) -> str:
    """A problem behind its file and line."""
    line = _line_of(problem, source)
    return f"{source.path}:{line}: {name}: {problem}" if line else f"{source.path}: {name}: {problem}"


def _line(problem: str, source: Source | None) -> str:
    line = _line_of(problem, source) if source else None
    return f" (line {line})" if line else ""


def _line_of(problem: str, source: Source) -> int | None:
    found = _FIELD.match(problem)
    if found is None:
        return None
    value = _VALUE.match(found["what"])
    return source.line(found["field"], value["value"] if value else None)


def _problems(error: ValidationError) -> Iterator[ErrorDetails]:
    """The problems but for those that are only what others lead to."""
    problems = error.errors(include_url=False)
    for problem in problems:
        within = [other["loc"][: len(problem["loc"])] for other in problems if other is not problem]
        if not (problem["type"] == "too_short" and problem["loc"] in within):
            yield problem


def _in_words(root: type[Description], problem: ErrorDetails) -> str:
    loc = problem["loc"]
    where = ".".join(map(str, loc))
    what = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        what = f"there is no such field; look for a misspelling{_meant(root, loc)}"
    elif (words := _IN_OUR_WORDS.get(problem["type"])) is not None:
        what = words.format(**problem.get("ctx", {}))
    return f"{where}: {what}" if where else what


_IN_OUR_WORDS = {
    "model_type": "write its fields as a mapping",
    "model_attributes_type": "write its fields as a mapping",
    "dict_type": "write a mapping of names to values",
    "tuple_type": "write a list, as in [a, b]",
    "list_type": "write a list, as in [a, b]",
    "too_short": "give at least {min_length}",
    "string_type": "write text, in quotes if it looks like a number",
    "missing": "this field is needed",
    "int_type": "write a whole number",
    "int_parsing": "write a whole number",
    "int_from_float": "write a whole number",
    "float_type": "write a number",
    "float_parsing": "write a number",
    "bool_type": "write true or false",
    "bool_parsing": "write true or false",
}
"""By pydantic's kind of error, where its own words are those of Python."""


def refuse_misspelt(given: Iterable[str], fields: Iterable[str]) -> None:
    """A misspelt name beside a short form's isn't told as what is missing for want of it.

    Raises:
        ValueError: It is like a field's name.
    """
    known = [*SHORT_FORM, *sorted(fields)]
    for name in given:
        if name not in known and (near := get_close_matches(name, known, n=1)):
            raise ValueError(f"{name}: there is no such field; look for a misspelling. Did you mean {near[0]}?")


def _meant(root: type[Description], loc: tuple[int | str, ...]) -> str:
    """What a misspelt field was probably meant for, and what else there is."""
    described = _described(root, loc[:-1])
    if described is None:
        return ""
    names = [field.alias or name for name, field in described.model_fields.items()]
    names += SHORT_FORM if len(loc) == 1 else ()
    near = get_close_matches(str(loc[-1]), names, n=1)
    return f". Did you mean {near[0]}?" if near else f". There are {', '.join(names)}"


def _described(root: type[Description], path: tuple[int | str, ...]) -> type[Description] | None:
    """The class whose fields stand at a path; None where that can't be told."""
    current = root
    for part in path:
        if not isinstance(part, str):
            continue
        fields = {field.alias or name: field for name, field in current.model_fields.items()}
        if current is Stage or (part in stage_kinds() and part not in fields):
            current = stage_kinds().get(part, current)
        elif part in fields and (inner := _class_in(fields[part].annotation)) is not None:
            current = inner
    return current


def _class_in(annotation: Any) -> type[Description] | None:
    """The description that an annotation holds, however deep."""
    if isinstance(annotation, type) and issubclass(annotation, Description):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _class_in(inner)) is not None), None)


def _as_written(problem: str) -> str:
    """A problem of the stages that a short form stands for, under the short form's own names."""
    problem = re.sub(r"^stages\.\d+\.propose\.slots", "proposers", problem)
    return re.sub(r"^stages\.\d+\.aggregate\.slot", "aggregator", problem)
