"""``moa compare``: candidates on the same items, as a table and a page."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from moa_graph.cli.choice import names
from moa_graph.cli.extras import needs_eval

if TYPE_CHECKING:
    from moa_graph.evaluation.comparing import CandidateComparison

__all__ = ["compare"]


@click.command()
@click.argument("results", type=click.Path(exists=True, dir_okay=False))
@click.option("--against", metavar="NAME", help="The candidate to compare the others with. Default: the best.")
@click.option("--grade", metavar="GRADE", help="RESULTS are recorded answers: how to grade them, as for moa tune.")
@click.option("--prices", type=click.Path(exists=True, dir_okay=False), metavar="FILE", help="As for moa tune.")
@click.option(
    "--with",
    "mixtures",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False),
    metavar="CERTIFICATE",
    help="With --grade: a tuned mixture's certificate; adds what it would have answered. May be repeated.",
)
@click.option(
    "--judge",
    "judges",
    callback=names,
    metavar="MODEL,...",
    help="With --against: let a model, or the median of several, judge each pair in both orders.",
)
@click.option(
    "--usd",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    help="With --judge: budget in US dollars for judging.",
)
@click.option("--html", type=click.Path(dir_okay=False), metavar="FILE", help="Write one self-contained page.")
@click.option("--picture", type=click.Path(dir_okay=False), metavar="PNG", help="Write accuracy against dollars.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of the table.")
def compare(results: str, against: str | None, grade: str | None, prices: str | None, mixtures: tuple[str, ...],
            judges: tuple[str, ...], usd: float, html: str | None, picture: str | None,
            *, as_json: bool) -> None:  # fmt: skip
    """Compare candidates: accuracy, paired differences, dollars, seconds, and what an oracle would have had.

    RESULTS is what moa eval wrote, or with --grade or --judge a file of recorded answers.
    """
    needs_eval()
    if judges:
        if grade or prices or mixtures or html or picture:
            raise click.UsageError("--judge can be combined only with --against, --usd and --json: it needs no grades.")
        from moa_graph.cli.judged import compare_by_judge

        compare_by_judge(results, judges, against, usd, as_json=as_json)
        return
    from moa_graph.evaluation.comparing import compare as compare_table
    from moa_graph.evaluation.comparison_page import comparison_page
    from moa_graph.evaluation.pictures import pareto_picture
    from moa_graph.evaluation.tables import read_results

    if mixtures and grade is None:
        raise click.UsageError("--with needs recorded answers and --grade.")
    table = read_results(Path(results)) if grade is None else _recorded(results, grade, prices, mixtures)
    comparison = compare_table(table, against)
    if html is not None:
        Path(html).write_text(comparison_page(comparison, table), encoding="utf-8")
    if picture is not None:
        Path(picture).write_bytes(pareto_picture(comparison))
    if as_json:
        click.echo(json.dumps(asdict(comparison), indent=2))
    else:
        _tell(comparison)


def _recorded(results: str, grade: str, prices: str | None, certificates: tuple[str, ...]) -> Any:
    """The table of recorded answers, with what certified mixtures would have answered."""
    import pandas as pd

    from moa_graph.evaluation.recordings import read_recordings
    from moa_graph.evaluation.tables import played_results, results_of
    from moa_graph.evaluation.watching import strategy_of

    recordings = read_recordings(results, grade, prices=prices)
    tables = [results_of(recordings)]
    for file in certificates:
        certificate = json.loads(Path(file).read_text(encoding="utf-8"))
        name = Path(file).name.removesuffix(".certificate.json")
        tables.append(played_results(name, strategy_of(certificate, recordings), recordings))
    return pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]


def _tell(comparison: CandidateComparison) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    console = Console()
    to = f"to {escape(comparison.reference)}"
    table = Table(Column("candidate", overflow="fold"), "right, 95 %", f"{to}, 95 %", "p (Holm)", "$", "p50/p95 s")
    for one in comparison.candidates:
        versus = one.versus
        table.add_row(
            f"{escape(one.name)}{' *' if one.on_front else ''}",
            f"{one.accuracy:.2%}\n{one.low:.1%} to {one.high:.1%}",
            "-"
            if versus is None
            else f"{100 * versus.difference:+.2f}\n{100 * versus.low:+.2f} to {100 * versus.high:+.2f}",
            "-" if versus is None else "< 0.0001" if versus.corrected < 0.0001 else f"{versus.corrected:.4f}",
            "-" if one.usd is None else f"{one.usd:.3g}",
            "-" if one.p50 is None else f"{one.p50:.2f}/{one.p95:.2f}",
        )
    console.print(table)
    console.print(
        f"{comparison.items} items; {len(comparison.differing)} on which candidates differ; an oracle would get "
        f"{comparison.oracle:.2%} right. * marks the Pareto front of accuracy and dollars."
    )
    best = comparison.candidates[0]
    if best.at_equal_cost is not None:
        console.print(
            f"Of those that cost no more than {escape(best.name)}, {escape(best.at_equal_cost)} is the most accurate."
        )
    if best.at_equal_quality is not None:
        console.print(
            f"Of those at least as accurate as {escape(best.name)}, {escape(best.at_equal_quality)} is the cheapest."
        )
    if comparison.clusters:
        console.print(
            f"Items come in {comparison.clusters} groups, which the intervals of differences take into account."
        )
    if comparison.left_out:
        console.print(
            f"{comparison.left_out} items are left out: some candidate wasn't asked, or there is no reference."
        )
