"""``moa doctor``: what is there for a run, what is missing, and what to do about it."""

from __future__ import annotations

import functools
from collections.abc import Iterable

import click

from moa_graph.cli.columns import columns, terminal_width, wrapped
from moa_graph.cli.failing import RUN_FAILED
from moa_graph.cli.saying import say

__all__ = ["doctor"]


@click.command()
@click.option(
    "-m", "--mixture", envvar="MOA_MIXTURE", show_envvar=True, metavar="NAME|FILE",
    help="The mixture to examine; default: the one that would run.",
)  # fmt: skip
@click.option("--cast", metavar="NAME|FILE", help="Whose models play its parts.")
@click.option("--probe", is_flag=True, help="Ask each model one tiny question, after showing what that costs.")
def doctor(mixture: str | None, cast: str | None, probe: bool) -> None:
    """Look at keys, local servers, models, prices and packages; each problem with what to do.

    Names of keys are shown, never their values. The exit code is 1 if a run of the mixture would fail.
    """
    from moa_graph.cli.examination import examine
    from moa_graph.interruptible import run

    found = run(examine(mixture, cast, say if probe else None))
    width = terminal_width()
    rows = functools.partial(columns, indent="  ", width=width)
    lines = functools.partial(wrapped, indent="  ", further="    ", width=width)
    models = rows(found.models, _HEADER)
    _section("Keys", rows([[name, "set" if there else "not set"] for name, there in found.keys.items()]))
    _section("Local servers", rows(found.servers))
    _section(f"Mixture: {found.mixture}", [*lines(found.why), *(["", *models] if found.models else [])])
    _section("Packages", rows(found.packages))
    _section("Problems", [line for problem in found.problems or ["none"] for line in lines(problem)])
    if found.notes:
        _section("Good to know", [line for note in found.notes for line in lines(note)])
    if found.problems:
        raise click.exceptions.Exit(RUN_FAILED)


_HEADER = ["name", "asked as", "served", "$ in/out per million tokens", "window"]


def _section(title: str, lines: Iterable[str]) -> None:
    click.secho(title, bold=True)
    for line in lines:
        click.echo(line)
    click.echo()
