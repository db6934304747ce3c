"""``moa eval``: every candidate answers every item once, graded."""

from __future__ import annotations

from typing import Any

import click

from moa_graph.cli.extras import needs_eval
from moa_graph.cli.failing import RUN_FAILED

__all__ = ["evaluate"]


@click.command("eval")
@click.argument("data", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--candidates",
    required=True,
    metavar="NAME,...",
    help="The candidates, separated by commas: provider:name, provider:name*5 (five samples vote), presets, files.",
)
@click.option(
    "-o",
    "--output",
    "folder",
    default="eval",
    show_default=True,
    type=click.Path(file_okay=False),
    help="Folder for the table, and for resuming after a stop.",
)
@click.option(
    "--grade",
    default="exact",
    show_default=True,
    metavar="GRADE",
    help="number, choice, exact, json:FIELD, module:function, math-verify, or judge:MODEL,... for a jury.",
)
@click.option(
    "--usd",
    type=click.FloatRange(0, min_open=True),
    help="Budget in US dollars for all candidates and the judge, over all runs.",
)
@click.option(
    "--max-tokens",
    type=click.IntRange(1),
    default=2048,
    show_default=True,
    help="Maximum tokens of a single model's answer.",
)
@click.option(
    "--self-consistency",
    metavar="MODEL",
    help="One of the candidates: also run it with as many samples as cost what the dearest one costs.",
)
@click.option(
    "--check", metavar="GRADE", help="With a judge: also grade this way, and report how often the judge agrees."
)
@click.option("--concurrency", type=click.IntRange(1), default=16, show_default=True, help="Items in flight at a time.")
def evaluate(data: str, candidates: str, folder: str, **settings: Any) -> None:  # fmt: skip
    """Ask every candidate every item of DATA, and grade the answers.

    DATA is JSONL, CSV or Parquet with question or messages, answer, and perhaps id, choices, group; or a log of
    inspect-ai (.eval). The same command goes on where it stopped. What comes of it: results.parquet, for moa compare,
    and recorded.jsonl, for moa tune.
    """
    needs_eval()
    from moa_graph.evaluation.evaluating import evaluate as run_evaluation
    from moa_graph.interruptible import run

    named = [name.strip() for name in candidates.split(",") if name.strip()]
    if not named:
        raise click.UsageError("--candidates is empty.")
    told = run(run_evaluation(data, named, folder, told=lambda line: click.echo(line, err=True), **settings))
    dollars = "unknown" if told.usd is None else f"{told.usd:.6f}"
    click.echo(f"{told.items} items, {len(told.broken)} broken rows, {dollars} dollars in total")
    click.echo(f"results: {told.results}\nrecorded answers: {told.recorded}")
    if told.agreement is not None:
        kappa = "" if told.agreement.kappa is None else f", Cohen's kappa {told.agreement.kappa:.2f}"
        click.echo(f"the judge agrees with the check on {told.agreement.share:.1%} of {told.agreement.answers}{kappa}")
    if told.stopped is not None:
        click.echo(f"stopped: {told.stopped}", err=True)
        raise click.exceptions.Exit(RUN_FAILED)
