"""``moa tune --watch``: whether a certificate still holds on new traffic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from moa_graph.errors import InputError

if TYPE_CHECKING:
    from moa_graph.evaluation.recordings import Recordings
    from moa_graph.evaluation.watching import Watched

__all__ = ["watch"]


def watch(certificate_file: str, recordings: Recordings, *, page: str | None, as_json: bool) -> None:
    """Tells whether the certificate holds, is broken, or can't be told yet; the labels it lacks go to a page."""
    from moa_graph.evaluation.label_page import label_page
    from moa_graph.evaluation.watching import watch as watch_recordings

    try:
        certificate = json.loads(Path(certificate_file).read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{certificate_file} isn't a certificate: {error}") from error
    try:
        watched = watch_recordings(certificate, recordings)
    except InputError as error:
        raise InputError(f"{certificate_file}: {error}") from error
    if page is not None:
        Path(page).write_text(label_page(recordings, watched.unlabelled), encoding="utf-8")
    waiting = [recordings.ids[place] for place in watched.unlabelled]
    if as_json:
        told = {"state": watched.state, "duels": watched.duels, "unlabelled": waiting, "refused_tags": watched.refused,
                "left_out": watched.left_out}  # fmt: skip
        click.echo(json.dumps(told, indent=2))
    else:
        _tell(watched, page)
    if watched.state == "broken":
        raise click.exceptions.Exit(1)


_MEANING = {
    "holds": "holds: the new prompts alone prove it again.",
    "broken": "is broken: the new prompts prove that it doesn't hold for traffic like this.",
    "undecided": "is undecided: the new prompts prove neither that it still holds nor that it is broken.",
}


def _tell(watched: Watched, page: str | None) -> None:
    holds, broken = watched.enough
    for rival, duel in watched.duels.items():
        click.echo(
            f"against {rival}: {duel['prompts']} prompts, {duel['wins']} won, {duel['losses']} lost; evidence that it "
            f"holds {_evidence(duel['e_for'])} (enough: {holds:.0f}), that it is broken "
            f"{_evidence(duel['e_against'])} (enough: {broken:.0f})"
        )
    if watched.left_out:
        refused = ", ".join(watched.refused)
        why = (
            f"the certificate doesn't cover their tags: {refused} (or they have none)"
            if refused
            else "they have no tag"
        )
        click.echo(f"{watched.left_out} prompts aren't counted: {why}")
    if watched.unlabelled:
        where = f"label them on {page}, and" if page else "write them to a page with --page HTML, label them there, and"
        click.echo(
            f"{len(watched.unlabelled)} prompts on which answers differ wait for a label; each duel counts up to its "
            f"first. To go on, {where} give the saved file with --label"
        )
    click.echo(f"The certificate {_MEANING[watched.state]}")


def _evidence(e_value: float) -> str:
    return "> 1,000" if e_value > 1000 else f"{e_value:.2f}"
