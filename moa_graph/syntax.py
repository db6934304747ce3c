"""Where a text isn't valid YAML, JSON or TOML, and what is wrong there in the words of who wrote it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import yaml

__all__ = ["SyntaxProblem", "syntax_problem"]


@dataclass(frozen=True)
class SyntaxProblem:
    """What is wrong with a text, and where.

    Args:
        words: What is wrong.
        line: From 1; None where its reader doesn't say.
        column: From 1; None where its reader doesn't say.
    """

    words: str
    line: int | None = None
    column: int | None = None

    def told(self, syntax: str, path: str | None) -> str:
        """The whole message, its place in front as editors and terminals know it."""
        place = "" if self.line is None else f"{self.line}:{self.column}"
        if path is not None:
            return f"{path}:{place}{':' if place else ''} the description isn't valid {syntax}: {self.words}"
        where = f"line {self.line}, column {self.column}: " if place else ""
        return f"the description isn't valid {syntax}: {where}{self.words}"


def syntax_problem(error: Exception, text: str) -> SyntaxProblem:
    """What a reader's error says.

    Args:
        error: As PyYAML, ``json`` or ``tomllib`` raised it.
        text: What was read.
    """
    if isinstance(error, json.JSONDecodeError):
        return SyntaxProblem(_lowered(error.msg), error.lineno, error.colno)
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        words = f"a character that can't be printed (number {error.character}) stands here: leave it out"
        return SyntaxProblem(words, before.count("\n") + 1, len(before) - before.rfind("\n"))
    if isinstance(error, yaml.MarkedYAMLError):
        return _of_yaml(error)
    if found := re.search(r" \(at line (\d+), column (\d+)\)$", str(error)):
        return SyntaxProblem(_lowered(str(error)[: found.start()]), int(found[1]), int(found[2]))
    return SyntaxProblem(_lowered(" ".join(str(error).split())))


def _of_yaml(error: yaml.MarkedYAMLError) -> SyntaxProblem:
    problem, context = error.problem or "", error.context or ""
    began, here = error.context_mark, error.problem_mark or error.context_mark
    for opened, closed, name in (("[", "]", "flow sequence"), ("{", "}", "flow mapping")):
        if name in context and problem.startswith("expected ','"):
            words = (
                f"what begins with {opened} here isn't closed: write {closed} at its end, and commas between its parts"
            )
            return _at(began, words)
    if "quoted scalar" in context and "end of stream" in problem:
        return _at(began, "the text in quotes that begins here isn't closed: write the same quote at its end")
    if alias := re.search(r"undefined alias '(.*)'", problem):
        return _at(
            here, f"*{alias[1]} refers to nothing that is marked &{alias[1]}: put a text that begins with * in quotes"
        )
    return _at(here, _in_words(problem, began))


def _in_words(problem: str, began: yaml.Mark | None) -> str:
    if "'\\t'" in problem:
        return "the line is indented with a tab: indent with spaces"
    if "cannot start any token" in problem and (found := re.search(r"character '(.*?)'", problem)):
        return f"nothing can begin with {found[1]}: put the text in quotes"
    if problem.startswith("mapping values are not allowed"):
        return (
            "a colon with a space behind it can't stand here: put a text that holds one in quotes, and begin each "
            "field on a line of its own"
        )
    if problem.startswith("expected <block end>"):
        since = f", which begin on line {began.line + 1}" if began is not None else ""
        return f"this isn't indented like the fields or entries that it should stand beside{since}"
    if "could not find expected ':'" in problem:
        return "a colon and a space are missing behind the name of a field"
    if "could not determine a constructor" in problem:
        return "a tag that begins with ! isn't taken here: leave it out, or put the text in quotes"
    return problem or "it can't be read"


def _at(mark: yaml.Mark | None, words: str) -> SyntaxProblem:
    return SyntaxProblem(words) if mark is None else SyntaxProblem(words, mark.line + 1, mark.column + 1)


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]
