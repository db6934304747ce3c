"""``moa tune --watch``: whether a certificate still holds on new traffic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from moa_graph.errors import InputError

if TYPE_CHECKING:
    from moa_graph.evaluation.recordings import Recordings

__all__ = ["watch"]


def watch(certificate_file: str, recordings: Recordings, *, page: str | None, as_json: bool) -> None:
    """Tells whether the certificate holds, is broken, or can't be told yet; the labels it lacks go to a page."""
    from moa_graph.evaluation.label_page import label_page
    from moa_graph.evaluation.watching import watch as watch_recordings

    try:
        certificate = json.loads(Path(certificate_file).read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{certificate_file} isn't a certificate: {error}") from error
    watched = watch_recordings(certificate, recordings)
    if page is not None:
        Path(page).write_text(label_page(recordings, watched.unlabelled), encoding="utf-8")
    waiting = [recordings.ids[place] for place in watched.unlabelled]
    if as_json:
        told = {"state": watched.state, "duels": watched.duels, "unlabelled": waiting, "refused_tags": watched.refused}
        click.echo(json.dumps(told, indent=2))
    else:
        for rival, duel in watched.duels.items():
            click.echo(
                f"against {rival}: {duel['prompts']} prompts, {duel['wins']} won, {duel['losses']} lost; "
                f"e-value for {duel['e_for']:.2f}, against {duel['e_against']:.2f}"
            )
        if watched.refused:
            click.echo(
                f"The certificate has never seen these tags, and says nothing of them: {', '.join(watched.refused)}"
            )
        if waiting:
            click.echo(
                f"{len(waiting)} prompts on which answers differ wait for a label" + (f": {page}" if page else "")
            )
        click.echo(f"The certificate: {watched.state}.")
    if watched.state == "broken":
        raise click.exceptions.Exit(1)
