"""A description as it was written: its text read as plain data, and the line on which each field stands."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import yaml

from moa_graph.errors import MixtureError
from moa_graph.syntax import syntax_problem
from moa_graph.toml_lines import line_in_toml

__all__ = ["Source", "Syntax"]

Syntax = Literal["yaml", "toml", "json"]

ENDINGS: dict[str, Syntax] = {".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".json": "json"}


class Source:
    """The text of a description.

    Args:
        text: Its text.
        syntax: What it is written in.
        path: Its file; None if it isn't one.
    """

    def __init__(self, text: str, syntax: Syntax, path: Path | None = None) -> None:
        self._text = text
        self._syntax = syntax
        self.path = path

    @classmethod
    def of_file(cls, path: str | Path) -> Source:
        """The text of a file whose ending says its syntax.

        Raises:
            MixtureError: It has another ending, or can't be read.
        """
        path = Path(path)
        syntax = ENDINGS.get(path.suffix.lower())
        if syntax is None:
            raise MixtureError(f"{path}: a mixture's file ends in .yaml, .toml or .json")
        try:
            return cls(path.read_text(encoding="utf-8"), syntax, path)
        except (OSError, UnicodeDecodeError) as error:
            raise MixtureError(f"{path} can't be read: {error}") from None

    def data(self) -> Any:
        """The text as plain data.

        Raises:
            MixtureError: It isn't valid in its syntax.
        """
        readers: dict[Syntax, Callable[[str], Any]] = {"yaml": _read_yaml, "toml": tomllib.loads, "json": _read_json}
        try:
            return readers[self._syntax](self._text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            path = str(self.path) if self.path else None
            raise MixtureError(syntax_problem(error, self._text).told(self._syntax.upper(), path)) from None

    def line(self, field: str, value: str | None = None) -> int | None:
        """The line, from 1, of a field such as ``stages.0.propose.quorum``, or of what is nearest around it.

        Args:
            field: Its path from the top.
            value: A text that is to be found within the field.

        Returns:
            None where that can't be told.
        """
        if self._syntax == "toml":
            return line_in_toml(self._text, field, value)
        try:
            top = yaml.compose(self._text, yaml.SafeLoader)  # JSON is YAML too
        except yaml.YAMLError:
            return None
        if top is None:
            return None
        line, node = _find(top, field, 0)
        found = next((one for one in _scalars(node) if one.value == value), None) if value is not None else None
        return (found.start_mark.line if found else line) + 1


def _find(node: yaml.Node, field: str, line: int) -> tuple[int, yaml.Node]:
    """The line and the node of a field, or of as much of its path as there is. Names may hold dots."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if field == key.value or field.startswith(f"{key.value}."):
                return _find(value, field[len(key.value) + 1 :], key.start_mark.line)
    if isinstance(node, yaml.SequenceNode):
        index, _, rest = field.partition(".")
        if index.isdigit() and int(index) < len(node.value):
            inner = node.value[int(index)]
            return _find(inner, rest, inner.start_mark.line)
    return line, node


def _scalars(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    if isinstance(node, yaml.ScalarNode):
        yield node
    elif isinstance(node, yaml.SequenceNode):
        for inner in node.value:
            yield from _scalars(inner)
    elif isinstance(node, yaml.MappingNode):
        for pair in node.value:
            for inner in pair:
                yield from _scalars(inner)


class _YamlLoader(yaml.SafeLoader):
    """YAML in which a key that is written twice is an error: one of its values would be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen and key.value != "<<":
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} is written twice", key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _read_yaml(text: str) -> Any:
    return yaml.load(text, _YamlLoader)


def _read_json(text: str) -> Any:
    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        for key in keys:
            if keys.count(key) > 1:
                raise ValueError(f"{key!r} is written twice")
        return dict(pairs)

    return json.loads(text, object_pairs_hook=mapping)
