"""``moa presets``: the mixtures that have a name."""

from __future__ import annotations

import shutil
import sys
import textwrap

import click

__all__ = ["presets"]


@click.command()
@click.option("--long", is_flag=True, help="Each one's whole page.")
def presets(long: bool) -> None:
    """List the mixtures that have a name, with the calls that an answer takes."""
    from moa_graph.presets import preset_names, preset_page

    names = preset_names()
    if long:
        click.echo("\n\n".join(f"{name}\n{'=' * len(name)}\n{preset_page(name)}" for name in names))
        return
    width = max(map(len, names))
    for name in names:
        head = f"{name:{width}}  {_calls(name):>3} calls  "
        click.echo(_fitted(head, preset_page(name).partition("\n")[0]))


def _calls(name: str) -> int:
    from moa_graph.graph import create_moa
    from moa_graph.size import size_of

    return size_of(create_moa(name, simulate=True).plan).calls


def _fitted(head: str, text: str) -> str:
    """A line, broken between words where a terminal is too narrow for it."""
    if not sys.stdout.isatty():
        return head + text
    columns = shutil.get_terminal_size().columns
    indent = " " * (len(head) if columns >= NARROW else 2)
    lines = textwrap.wrap(head + text, columns - 1, subsequent_indent=indent, break_long_words=False)
    return "\n".join([head + lines[0][len(head) :], *lines[1:]]) if columns >= NARROW else "\n".join(lines)


NARROW = 60
"""Columns below which the rest of a line begins under its name."""
