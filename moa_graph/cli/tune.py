"""``moa tune``: recorded answers become the cheapest mixture that can be certified."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from moa_graph.cli.extras import needs_eval

if TYPE_CHECKING:
    from moa_graph.evaluation.recordings import Recordings

__all__ = ["tune"]


def _references(context: click.Context, option: click.Parameter, values: Sequence[str]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    if not all(name and reference for name, _, reference in pairs):
        raise click.BadParameter("write MODEL=provider:name, the model as the recordings name it.")
    return {name: reference for name, _, reference in pairs}


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--margin",
    type=click.FloatRange(0, 50, min_open=True),
    default=1.0,
    show_default=True,
    help="Largest tolerated loss of accuracy against any single model, in points.",
)
@click.option(
    "--confidence",
    type=click.FloatRange(0.5, 1, max_open=True),
    default=0.95,
    show_default=True,
    help="Of the certificate.",
)
@click.option(
    "--grade",
    default="exact",
    show_default=True,
    metavar="GRADE",
    help="How answers are compared: number, choice, exact, json:FIELD, module:function, math-verify.",
)
@click.option(
    "--prices",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="Dollars per million tokens by model: JSON, YAML or CSV. Default: list prices.",
)
@click.option("--models", metavar="MODEL,...", help="Only these models of the file.")
@click.option(
    "--unlabelled",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="Answers to other prompts, which find the order of tests; then every label tests.",
)
@click.option("--incumbent", metavar="MODEL", help="The one rival, declared beforehand. Default: every single model.")
@click.option(
    "--as",
    "references",
    multiple=True,
    callback=_references,
    metavar="MODEL=provider:name",
    help="What the mixture asks for a recorded model. Default: its recorded answers. May be repeated.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="The mixture's file; the certificate lies beside it. Default: NAME.tuned.yaml.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object: the certificate, and where the mixture is.")
def tune(file: str, margin: float, confidence: float, grade: str, prices: str | None, models: str | None,
         unlabelled: str | None, incumbent: str | None, references: dict[str, str], output: str | None,
         *, as_json: bool) -> None:  # fmt: skip
    """From recorded answers to the cheapest mixture that can be certified, or to an honest no.

    FILE holds JSON lines, perhaps compressed (.gz): {"id", "question", "answer", "outputs": {"model": "text"}}.
    No model is asked. Exit code 0 whatever comes of it: "helps" and "certified" say it.
    """
    needs_eval()
    from moa_graph.evaluation import certificate as certificates
    from moa_graph.evaluation.mixtures import mixture_for
    from moa_graph.evaluation.recordings import read_recordings
    from moa_graph.evaluation.tuning import tune as tune_recordings

    chosen_models = [name.strip() for name in models.split(",") if name.strip()] if models else None

    def read(path: str) -> Recordings:
        return read_recordings(path, grade, prices=prices, models=chosen_models)

    recordings = read(file)
    tuned = tune_recordings(
        recordings,
        margin=margin / 100,
        confidence=confidence,
        unlabelled=read(unlabelled) if unlabelled else None,
        incumbent=incumbent,
        told=lambda line: click.echo(line, err=True),
    )
    mixture = None if tuned.chosen is None else mixture_for(tuned.chosen.strategy, recordings, references)
    written = None if mixture is None else mixture.to_data()
    certificate = certificates.certificate_of(tuned, margin / 100, confidence, written)
    where = _write(certificate, mixture, output, file)
    if as_json:
        description = certificate.pop("mixture")
        click.echo(json.dumps({**certificate, "mixture": where, "description": description}, indent=2))
        return
    _tell(certificate, where)


def _write(certificate: dict[str, Any], mixture: Any, output: str | None, file: str) -> str | None:
    """Writes the mixture, and its certificate beside it; without a mixture there is nothing to write."""
    if mixture is None:
        return None
    path = Path(output) if output else Path(f"{Path(file).name.split('.')[0]}.tuned.yaml")
    form = {".json": "json", ".toml": "toml"}.get(path.suffix.lower(), "yaml")
    path.write_text(mixture.to_text(form), encoding="utf-8")
    path.with_suffix(".certificate.json").write_text(json.dumps(certificate, indent=2) + "\n", encoding="utf-8")
    return str(path.resolve())


def _tell(certificate: dict[str, Any], where: str | None) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table("single model", "right", "dollars a prompt")
    for model, single in sorted(certificate["singles"].items(), key=lambda one: -one[1]["accuracy"]):
        table.add_row(model, f"{single['accuracy']:.2%}", f"{single['dollars']:.6f}")
    console.print(table)
    tested = Table("tested, the safest first", "right", "of the best one's dollars", "largest p", "")
    for one in certificate["tested"]:
        passed = "passed" if one["passed"] else "failed"
        tested.add_row(
            one["strategy"], f"{one['accuracy']:.2%}", f"{one['cost_share']:.1%}", f"{one['largest_p']:.4f}", passed
        )
    console.print(tested)
    console.print(certificate["promise"], soft_wrap=True)
    if certificate["reason"] != certificate["promise"]:
        console.print(certificate["reason"], soft_wrap=True)
    if where is not None:
        console.print(f"Written: {where} and its certificate. Not covered: see not_covered there.", soft_wrap=True)
