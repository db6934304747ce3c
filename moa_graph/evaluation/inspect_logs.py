"""Logs of inspect-ai as data: the samples of a benchmark run, with their targets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from moa_graph.errors import InputError
from moa_graph.evaluation.items import Item

__all__ = ["items_of_log"]


def items_of_log(log: str | Path) -> Iterator[Item]:
    """The samples of a log, one epoch of each, as the solver asked them.

    Raises:
        InputError: It can't be read, or inspect-ai isn't installed.
    """
    try:
        from inspect_ai.log import read_eval_log
    except ImportError as error:
        raise InputError("reading inspect-ai's logs needs inspect-ai: pip install inspect-ai") from error
    try:
        samples = read_eval_log(str(log)).samples or []
    except (OSError, ValueError) as error:
        raise InputError(f"{log}: the log can't be read: {error}") from error
    seen: set[str] = set()
    for sample in samples:
        if str(sample.id) not in seen:
            seen.add(str(sample.id))
            yield _item(sample)


def _item(sample: Any) -> Item:
    """What the model was asked: the messages up to its first answer, which hold the solver's template."""
    asked = []
    for message in sample.messages:
        if message.role == "assistant":
            break
        asked.append({"role": message.role, "content": message.text})
    if not asked:
        given = sample.input if isinstance(sample.input, str) else sample.input[-1].text
        asked = [{"role": "user", "content": given}]
    target = sample.target if isinstance(sample.target, str) else next(iter(sample.target), None)
    return Item(id=str(sample.id), messages=tuple(asked), answer=target, choices=None, group=None)
