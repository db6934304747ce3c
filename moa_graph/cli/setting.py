"""One-off changes of a mixture: ``--set stages.0.propose.quorum=2``."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import yaml

from moa_graph.errors import MixtureError
from moa_graph.mixture import Mixture

__all__ = ["with_settings"]


def with_settings(mixture: Mixture, settings: Sequence[tuple[str, str]]) -> Mixture:
    """The mixture with other values in some of its fields.

    Args:
        mixture: The mixture as it is described.
        settings: Path of a field, as errors name it, and its value in YAML.

    Raises:
        MixtureError: There is no such place, or the mixture can't work with the value.
    """
    if not settings:
        return mixture
    data = mixture.to_data()
    for path, value in settings:
        try:
            _set(data, path.split("."), _value(path, value))
        except LookupError as error:
            raise MixtureError(f"--set {path}: {error.args[0]}") from None
    try:
        return Mixture.from_data(data)
    except MixtureError as error:
        raise MixtureError(f"{error} (by --set)") from None


def _value(path: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise MixtureError(
            f"--set {path}: {text!r} isn't a YAML value; put text with special characters in quotes"
        ) from None


def _set(within: Any, path: list[str], value: Any) -> None:
    """Puts a value in its place; what isn't written yet is added."""
    key, rest = _step(within, path)
    if not rest:
        within[key] = value
        return
    if isinstance(within, dict):
        within.setdefault(key, {})
    if isinstance(within[key], str) and key != "name":  # a slot or a model that is written as its model alone
        within[key] = {"model": within[key]}
    _set(within[key], rest, value)


def _step(within: Any, path: list[str]) -> tuple[Any, list[str]]:
    """The key or the index that a path begins with, and the rest of it. A name may hold dots itself."""
    if isinstance(within, list):
        if not path[0].isdigit() or int(path[0]) >= len(within):
            raise LookupError(f"{path[0]!r} isn't an index from 0 to {len(within) - 1}")
        return int(path[0]), path[1:]
    if not isinstance(within, dict):
        raise LookupError(f"{within!r} has no fields, so there is no field {path[0]!r}")
    for length in range(len(path), 0, -1):
        if (name := ".".join(path[:length])) in within:
            return name, path[length:]
    if len(path) > 1 and within and (near := get_close_matches(path[0], within, n=1)):
        raise LookupError(f"there is no {path[0]!r}; did you mean {near[0]!r}?")
    return path[0], path[1:]
