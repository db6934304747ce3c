"""What the command says of itself: on stderr, beginning with its name."""

from __future__ import annotations

import os
import sys

import click

from moa_graph.cli.columns import NARROWEST, wrapped

__all__ = ["say"]


def say(text: str) -> None:
    """Writes a line to stderr, on a terminal in as many as that has room for, broken between words."""
    for line in wrapped(f"moa: {text}", width=_width_of_stderr()):
        click.echo(line, err=True)


def _width_of_stderr() -> int | None:
    """Columns of the terminal that stderr is; None for a pipe or a file."""
    try:
        return max(os.get_terminal_size(sys.stderr.fileno()).columns - 1, NARROWEST) if sys.stderr.isatty() else None
    except (OSError, ValueError):
        return None
