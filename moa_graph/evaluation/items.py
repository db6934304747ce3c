"""What candidates are asked: the rows of a data set, each a conversation with its reference; broken ones separately."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moa_graph.batch.inputs import input_files, read_rows
from moa_graph.batch.rows import BadRow
from moa_graph.errors import InputError

__all__ = ["Broken", "Item", "read_items", "write_items"]

INSPECT_ENDING = ".eval"


@dataclass(frozen=True)
class Item:
    """One question to every candidate.

    Args:
        id: The item's identity.
        messages: The conversation, as OpenAI writes messages, the choices at its end.
        answer: The reference; None where there is none.
        choices: What can be chosen from.
        group: Items of one group aren't independent of each other.
    """

    id: str
    messages: tuple[dict[str, Any], ...]
    answer: Any
    choices: Any
    group: str | None

    @property
    def question(self) -> str:
        """The text of the last message."""
        content = self.messages[-1]["content"]
        return content if isinstance(content, str) else json.dumps(content)


@dataclass(frozen=True)
class Broken:
    """An unusable row: where it is, and why."""

    where: str
    reason: str


def read_items(data: str | Path) -> tuple[list[Item], list[Broken]]:
    """The items of a JSONL, CSV or Parquet file, or of a log of inspect-ai (``.eval``).

    Columns: ``question`` (or ``prompt``) or ``messages``, and if there are any ``id``, ``answer``, ``choices``,
    ``group``.

    Raises:
        InputError: The file can't be read, or none of its rows is usable.
    """
    if Path(data).suffix == INSPECT_ENDING:
        from moa_graph.evaluation.inspect_logs import items_of_log

        return list(items_of_log(data)), []
    items, broken = [], []
    for row in read_rows(input_files([data])):
        if isinstance(row, BadRow):
            broken.append(Broken(row.where, row.reason))
            continue
        source = row.source
        choices = _parsed(source.get("choices", source.get("options")))
        group = source.get("group", source.get("tag", source.get("category")))
        items.append(
            Item(
                id=row.id,
                messages=_with_choices(row.messages, choices),
                answer=source.get("answer", source.get("target")),
                choices=choices,
                group=None if group is None else str(group),
            )
        )
    if not items:
        raise InputError(f"{data}: no row is usable; the first: {broken[0].reason if broken else 'the file has none'}")
    return items, broken


def write_items(items: Sequence[Item], path: Path) -> None:
    """Writes the items as rows of a batch; a mixture may choose its branch by an item's group."""

    def lines() -> Iterator[str]:
        for item in items:
            tagged = {} if item.group is None else {"options": {"prompt_tag": item.group}}
            yield json.dumps({"id": item.id, "messages": list(item.messages), **tagged}, ensure_ascii=False) + "\n"

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines()), encoding="utf-8")


def _parsed(choices: Any) -> Any:
    """Choices as a list or mapping; a CSV cell holds them as JSON."""
    if isinstance(choices, str):
        try:
            return json.loads(choices)
        except ValueError:
            return [part.strip() for part in choices.split("|")]
    return choices


def _with_choices(messages: Sequence[dict[str, Any]], choices: Any) -> tuple[dict[str, Any], ...]:
    """The conversation with lettered choices and what is asked, behind its last message."""
    if not choices or not isinstance(messages[-1].get("content"), str):
        return tuple(messages)
    texts = choices.values() if isinstance(choices, Mapping) else choices
    lettered = "\n".join(f"{chr(ord('A') + place)}) {text}" for place, text in enumerate(texts))
    asked = f'{messages[-1]["content"]}\n\n{lettered}\n\nEnd with "Answer: " and the letter of your choice.'
    return (*messages[:-1], {**messages[-1], "content": asked})
