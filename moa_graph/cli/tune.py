"""``moa tune``: recorded answers become the cheapest mixture that can be certified."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from moa_graph.cli.choice import names
from moa_graph.cli.extras import needs_eval

if TYPE_CHECKING:
    from moa_graph.evaluation.labelling import LabelFile
    from moa_graph.evaluation.proposing import Proposer
    from moa_graph.evaluation.recordings import Recordings
    from moa_graph.evaluation.tuning import Tuned
    from moa_graph.mixture import Mixture

__all__ = ["tune"]

_FILE = click.Path(exists=True, dir_okay=False)
_NEW_FILE = click.Path(dir_okay=False)


@dataclass(frozen=True)
class TuneOptions:
    """What the command was asked, option by option."""

    file: str
    margin: float
    confidence: float
    grade: str
    prices: str | None
    models: tuple[str, ...]
    unlabelled: str | None
    incumbent: str | None
    references: dict[str, str]
    label: str | None
    judges: tuple[str, ...]
    usd: float
    page: str | None
    chain: tuple[str, ...]
    votes: int
    watched: str | None
    output: str | None
    as_json: bool

    def read(self, file: str) -> Recordings:
        """Recorded answers, with the labels that were given before."""
        from moa_graph.evaluation.recordings import read_recordings

        recordings = read_recordings(file, self.grade, prices=self.prices, models=self.models or None)
        if recordings.left_out:
            left_out = ", ".join(recordings.left_out)
            click.echo(
                f"{file}: left out because they didn't answer every prompt: {left_out}. Name models with --models, and "
                "a missing answer counts as a wrong one.",
                err=True,
            )
        labels = self.labels()
        return recordings if labels is None else replace(recordings, right=labels.known(recordings))

    def labels(self, proposer: Proposer | None = None) -> LabelFile | None:
        """The file of labels, where one is used."""
        from moa_graph.evaluation.labelling import LabelFile

        return LabelFile(self.label, proposer.made if proposer else None) if self.label else None

    def proposer(self) -> Proposer | None:
        """The judge that proposes labels, where there is one; what it says is kept beside the labels."""
        if not self.judges or self.label is None:
            return None
        from moa_graph.evaluation.proposing import Proposer

        store = Path(self.label).with_suffix(".judge.sqlite")
        return Proposer(self.judges, store, self.usd, lambda line: click.echo(line, err=True))


def _references(context: click.Context, option: click.Parameter, values: Sequence[str]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    if not all(name and reference for name, _, reference in pairs):
        raise click.BadParameter("write MODEL=provider:name, the model as the recordings name it.")
    return {name: reference for name, _, reference in pairs}


_OPTIONS = (
    click.option("--margin", type=click.FloatRange(0, 50, min_open=True), default=1.0, show_default=True,
                 help="Largest tolerated loss of accuracy against any single model, in points."),
    click.option("--confidence", type=click.FloatRange(0.5, 1, max_open=True), default=0.95, show_default=True,
                 help="Confidence of the certificate."),
    click.option("--grade", default="exact", show_default=True, metavar="GRADE",
                 help="How answers are compared: number, choice, exact, json:FIELD, module:function, math-verify."),
    click.option("--prices", type=_FILE, metavar="FILE",
                 help="Dollars per million tokens by model: JSON, YAML or CSV. Default: list prices."),
    click.option("--models", callback=names, metavar="MODEL,...", help="Use only these models of the file."),
    click.option("--unlabelled", type=_FILE, metavar="FILE",
                 help="Answers to other prompts, to find the order of tests; every label then serves the test."),
    click.option("--incumbent", metavar="MODEL",
                 help="The one rival, declared beforehand. Default: every single model."),
    click.option("--as", "references", multiple=True, callback=_references, metavar="MODEL=provider:name",
                 help="The model to ask in place of a recorded one. Default: its recorded answers. May be repeated."),
    click.option("--label", type=_NEW_FILE, metavar="LABELS",
                 help="Ask for labels, only where answers differ, until it is decided; this file stores them."),
    click.option("--judge", "judges", callback=names, metavar="MODEL,...",
                 help="With --label: a model, or several, proposes which answer is right; you decide."),
    click.option("--usd", type=click.FloatRange(0, min_open=True), default=1.0, show_default=True,
                 help="With --judge: budget in US dollars for its proposals."),
    click.option("--page", type=_NEW_FILE, metavar="HTML",
                 help="With --label or --watch: write a page to label on, instead of asking in the terminal."),
    click.option("--chain", callback=names, metavar="MODEL,...",
                 help="With --label: a strategy declared beforehand, from cheap to dear. Default: search for one."),
    click.option("--votes", type=click.IntRange(2), default=2, show_default=True,
                 help="With --chain: how many equal answers are enough."),
    click.option("--watch", "watched", type=_FILE, metavar="CERTIFICATE",
                 help="Test this certificate on FILE's new traffic. Exit code 1 once it is shown to be broken."),
    click.option("-o", "--output", type=_NEW_FILE, metavar="FILE",
                 help="The mixture's file; the certificate is written beside it. Default: NAME.tuned.yaml."),
    click.option("--json", "as_json", is_flag=True, help="One JSON object instead of the table."),
)  # fmt: skip


def _with_options(command: Any) -> Any:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command()
@click.argument("file", type=_FILE)
@_with_options
def tune(**given: Any) -> None:
    """From recorded answers to the cheapest mixture that can be certified, or to an honest no.

    FILE holds JSON lines, perhaps compressed (.gz): {"id", "question", "answer", "outputs": {"model": "text"}}.
    No model is asked. Exit code 0 whatever comes of it: "helps" and "certified" say it.
    """
    needs_eval()
    asked = TuneOptions(**given)
    if asked.page and not (asked.label or asked.watched):
        raise click.UsageError("--page asks for labels: give --label LABELS too.")
    if asked.judges and not asked.label:
        raise click.UsageError("--judge proposes labels: give --label LABELS too.")
    if asked.watched:
        from moa_graph.cli.watching import watch

        watch(asked.watched, asked.read(asked.file), page=asked.page, as_json=asked.as_json)
        return
    recordings = asked.read(asked.file)
    tuned = _by_asking(recordings, asked) if asked.label else _by_labels(recordings, asked)
    _tell(tuned, recordings, asked)


def _by_labels(recordings: Recordings, asked: TuneOptions) -> Tuned:
    from moa_graph.evaluation.tuning import tune as tune_recordings

    return tune_recordings(
        recordings,
        margin=asked.margin / 100,
        confidence=asked.confidence,
        unlabelled=asked.read(asked.unlabelled) if asked.unlabelled else None,
        incumbent=asked.incumbent,
        told=lambda line: click.echo(line, err=True),
    )


def _by_asking(recordings: Recordings, asked: TuneOptions) -> Tuned:
    from moa_graph.cli.labelling import ask_nobody, ask_person
    from moa_graph.evaluation.few_labels import chain_of, tune_by_asking

    proposer = asked.proposer()
    tuned = tune_by_asking(
        recordings,
        ask_nobody if asked.page else lambda part: ask_person(part, proposer),
        margin=asked.margin / 100,
        confidence=asked.confidence,
        declared=chain_of(asked.chain, asked.votes, recordings) if asked.chain else None,
        unlabelled=asked.read(asked.unlabelled) if asked.unlabelled else None,
        incumbent=asked.incumbent,
        memory=asked.labels(proposer),
        told=lambda line: click.echo(line, err=True),
    )
    if asked.page and tuned.waiting:
        from moa_graph.evaluation.label_page import label_page

        if proposer is not None:
            for place in tuned.waiting:
                proposer.propose(tuned.test, place)
        page = label_page(tuned.test, tuned.waiting, proposer.made if proposer is not None else None)
        Path(asked.page).write_text(page, encoding="utf-8")
        click.echo(
            f"{len(tuned.waiting)} prompts wait for labels on {asked.page}: save them there, append them to "
            f"{asked.label}, and run this again",
            err=True,
        )
    if proposer is not None:
        _tell_judge(proposer, asked)
    return tuned


def _tell_judge(proposer: Proposer, asked: TuneOptions) -> None:
    """What the judge cost, and how often the person chose what it proposed."""
    click.echo(f"the judge: {proposer.usd:.6f} of {asked.usd:g} dollars", err=True)
    labels = asked.labels()
    agreed, proposed = labels.agreement() if labels is not None else (0, 0)
    if proposed:
        click.echo(f"you chose what it proposed in {agreed} of {proposed} labels ({agreed / proposed:.0%})", err=True)


def _tell(tuned: Tuned, recordings: Recordings, asked: TuneOptions) -> None:
    from moa_graph.evaluation.certificate import certificate_of
    from moa_graph.evaluation.mixtures import mixture_for

    mixture = None if tuned.chosen is None else mixture_for(tuned.chosen.strategy, recordings, asked.references)
    written = None if mixture is None else mixture.to_data()
    certificate = certificate_of(tuned, asked.margin / 100, asked.confidence, written)
    where = _write(certificate, mixture, asked)
    if asked.as_json:
        description = certificate.pop("mixture")
        click.echo(json.dumps({**certificate, "mixture": where, "description": description}, indent=2))
        return
    from moa_graph.cli.certificate import tell_certificate

    tell_certificate(certificate, where)


def _write(certificate: dict[str, Any], mixture: Mixture | None, asked: TuneOptions) -> str | None:
    """Writes the mixture, and its certificate beside it; without a mixture there is nothing to write."""
    if mixture is None:
        return None
    path = Path(asked.output) if asked.output else Path(f"{Path(asked.file).name.split('.')[0]}.tuned.yaml")
    suffix = path.suffix.lower()
    text = mixture.to_text("json" if suffix == ".json" else "toml" if suffix == ".toml" else "yaml")
    path.write_text(text, encoding="utf-8")
    path.with_suffix(".certificate.json").write_text(json.dumps(certificate, indent=2) + "\n", encoding="utf-8")
    return str(path.resolve())
