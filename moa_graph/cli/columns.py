"""Tables and lines as wide as the terminal: broken between words, and never within them."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence

__all__ = ["columns", "terminal_width", "wrapped"]

NARROWEST = 20


def terminal_width() -> int | None:
    """Columns of the terminal that stdout is; None for a pipe or a file, whose lines are as long as they are."""
    return max(shutil.get_terminal_size().columns - 1, NARROWEST) if sys.stdout.isatty() else None


def wrapped(text: str, indent: str = "", further: str | None = None, width: int | None = None) -> list[str]:
    """A text in lines of the terminal's width.

    Args:
        text: In one line.
        indent: Before its first line.
        further: Before every other line; default: as before the first.
        width: Columns that there are; None is as many as are wanted.
    """
    if width is None:
        return [indent + text]
    further = indent if further is None else further
    return textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=further, break_on_hyphens=False, break_long_words=False
    ) or [indent.rstrip()]


def columns(
    rows: Sequence[Sequence[str]], header: Sequence[str] | None = None, indent: str = "", width: int | None = None
) -> list[str]:
    """Rows as lines in which the cells stand under each other; one cell under the other where there is no room.

    Args:
        rows: Of equally many cells.
        header: What the columns are called.
        indent: Before each line.
        width: Columns that there are; None is as many as are wanted.
    """
    shown = [header, *rows] if header else rows
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    if width is not None and len(indent) + sum(widths) + 2 * (len(widths) - 1) > width:
        return [line for row in rows for line in _stacked(row, header, indent, width)]
    return [
        indent + "  ".join(f"{cell:{room}}" for cell, room in zip(row, widths, strict=True)).rstrip() for row in shown
    ]


def _stacked(row: Sequence[str], header: Sequence[str] | None, indent: str, width: int) -> Iterator[str]:
    first, *rest = row
    yield from wrapped(first, indent, indent + "    ", width)
    for number, cell in enumerate(rest, start=1):
        if cell:
            name = f"{header[number]}: " if header and header[number] else ""
            yield from wrapped(name + cell, f"{indent}  ", f"{indent}    ", width)
