"""``moa compare --judge``: candidates by the word of a judge, as a table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from moa_graph.evaluation.judged import JudgedComparison

__all__ = ["compare_by_judge"]


def compare_by_judge(results: str, judges: Sequence[str], against: str | None, usd: float, *, as_json: bool) -> None:
    """Asks the judges, and tells win rates with what they cost.

    Raises:
        click.UsageError: Nobody says what is compared with what.
    """
    from moa_graph.evaluation.judged import judge_pairs
    from moa_graph.interruptible import run

    if against is None:
        raise click.UsageError("--judge compares with one candidate: name it with --against NAME.")
    comparison = run(
        judge_pairs(results, judges, against=against, usd=usd, told=lambda line: click.echo(line, err=True))
    )
    if as_json:
        click.echo(json.dumps({**asdict(comparison), "folder": str(comparison.folder)}, indent=2))
    else:
        _tell(comparison)
    if comparison.stopped is not None:
        click.echo(f"stopped: {comparison.stopped}; run the same command with a higher --usd to continue", err=True)


def _tell(comparison: JudgedComparison) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    console = Console()
    columns = ("win rate, 95 %", "same length", "p (Holm)", "pairs", "ties", "swayed", "chars")
    table = Table(Column("candidate", overflow="fold"), *columns)
    for one in comparison.candidates:
        table.add_row(
            escape(one.name),
            f"{one.win_rate:.1%}\n{one.low:.1%} to {one.high:.1%}",
            "-" if one.length_controlled is None else f"{one.length_controlled:.1%}",
            "< 0.0001" if one.p < 0.0001 else f"{one.p:.4f}",
            str(one.items),
            str(one.ties),
            str(one.swayed),
            f"{one.characters:.0f}",
        )
    console.print(table)
    dollars = f"{comparison.usd:.6f} dollars" + ("" if comparison.usd_complete else ", some prices unknown")
    console.print(
        f"Against {escape(comparison.reference)} ({comparison.characters:.0f} characters); "
        f"judged by {escape(', '.join(comparison.judges))} for {dollars}. Swayed: a verdict changed with the order.",
        soft_wrap=True,
    )
    if comparison.unjudged:
        console.print(f"{comparison.unjudged} pairs have no verdict, and aren't counted.")
