"""``moa batch``: every row of a file through one mixture."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from moa_graph.cli.choice import MixtureChoice, choice_options
from moa_graph.cli.failing import INTERRUPTED, RUN_FAILED

if TYPE_CHECKING:
    from moa_graph.batch import Job, Summary
    from moa_graph.batch.results import Answered

__all__ = ["batch"]

FORMATS = ("rows", "openai-batch", "alpaca-eval", "mt-bench", "flask", "synthetic-data")


def _seconds(context: click.Context, option: click.Parameter, value: str | None) -> float | None:
    """A duration as descriptions write it."""
    from pydantic import TypeAdapter, ValidationError

    from moa_graph.description import PositiveSeconds

    try:
        return None if value is None else TypeAdapter(PositiveSeconds).validate_python(value)
    except ValidationError as error:
        raise click.BadParameter(error.errors()[0]["msg"].removeprefix("Value error, ")) from None


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.argument("output", type=click.Path(dir_okay=False))
@choice_options(without=("usd", "calls", "deadline", "quorum", "prompt_tag", "mode", "missing"))
@click.option("--usd", type=click.FloatRange(0, min_open=True), help="Budget in US dollars for the whole batch.")
@click.option("--calls", type=click.IntRange(1), help="Limit of model requests for the whole batch.")
@click.option("--deadline", metavar="TIME", callback=_seconds, help="Stop after this time: 90s, 15m or 2h.")
@click.option("--concurrency", type=click.IntRange(1), default=16, show_default=True, help="Rows in flight at a time.")
@click.option("--until-spent", is_flag=True, help="Continue although --usd won't pay for all rows.")
@click.option("--again", type=click.Choice(["failed"]), help="Ask rows that failed before again.")
@click.option("--limit", type=click.IntRange(1), help="Only the first N rows.")
@click.option("--ordered", is_flag=True, help="Write the output in the input's order.")
@click.option("--proposals", is_flag=True, help="Also write what each model proposed.")
@click.option("--format", type=click.Choice(FORMATS), default="rows", show_default=True, help="Format of the output.")
@click.option(
    "--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True, help="Where rows run."
)
@click.option("--actors", type=click.IntRange(1), default=2, show_default=True, help="Actors of --engine ray.")
@click.option(
    "--provider-batch", is_flag=True, help="Use the providers' batch jobs: half the price, up to a day for each layer."
)
@click.option("--dry-run", is_flag=True, help="Show what the batch would take, without asking anything.")
@click.option("--events", is_flag=True, help="Progress and results as JSON lines on stdout.")
def batch(
    inputs: tuple[str, ...],
    output: str,
    choice: MixtureChoice,
    usd: float | None,
    calls: int | None,
    deadline: float | None,
    again: str | None,
    dry_run: bool,
    events: bool,
    **settings: Any,
) -> None:
    """Answer every row of INPUT; the answers go to OUTPUT.

    INPUT is JSONL, CSV or Parquet, a folder or a pattern. A row has a prompt or messages, and perhaps an id. The same
    command goes on where it stopped: after Ctrl-C, a kill or a full disk.
    """
    from moa_graph.batch import estimate
    from moa_graph.batch.job import Job
    from moa_graph.cli.building import build

    chosen = build(choice)
    job = Job(
        inputs,
        output,
        chosen.graph,
        usd=usd,
        calls=calls,
        deadline=deadline,
        again=again == "failed",
        **settings,
    )
    click.echo(chosen.headline, err=True)
    if dry_run:
        _tell_estimate(estimate(job))
        return
    summary = _run(job, events=events)
    if not summary.is_complete:
        raise click.exceptions.Exit(RUN_FAILED)


def _run(job: Job, *, events: bool) -> Summary:
    from moa_graph.batch.work import run_job
    from moa_graph.cli.batch_progress import BatchProgress, tell_summary
    from moa_graph.interruptible import run

    shown = BatchProgress(quiet=events)

    def progress(summary: Summary, done: Answered | None) -> None:
        shown.update(summary)
        if events:
            _tell_event(summary, done)
        elif done is not None and done.result["status"] == "failed":
            shown.tell_failure(done.result)

    try:
        with shown:
            summary = run(run_job(job, progress, shown.say))
    except KeyboardInterrupt:
        if shown.last is not None:
            shown.last.stopped = "interrupted"
            tell_summary(shown.last)
        raise click.exceptions.Exit(INTERRUPTED) from None
    if events:
        click.echo(json.dumps({"type": "batch_finished", **summary.to_data()}))
    tell_summary(summary)
    return summary


def _tell_event(summary: Summary, done: Answered | None) -> None:
    if done is None:
        told = {"type": "batch_progress", **summary.to_data()}
    else:
        names = ("id", "status", "failure", "degraded", "usd", "seconds")
        told = {"type": "row_finished", **{name: done.result.get(name) for name in names}}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def _tell_estimate(found: Any) -> None:
    for reason in found.bad[:20]:
        click.echo(f"bad row: {reason}", err=True)
    if len(found.bad) > 20:
        click.echo(f"and {len(found.bad) - 20} more bad rows", err=True)
    price = "at an unknown price" if found.usd is None else f"at most ${found.usd:.4f}"
    click.echo(f"{found.rows} rows, {len(found.bad)} of them bad; {found.calls} model requests, {price}")
