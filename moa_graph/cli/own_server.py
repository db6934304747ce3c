"""``--on`` and ``--models``: any mixture on a server of one's own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import click

from moa_graph.casts.casting import cast_mixture
from moa_graph.casts.own_server import OwnServer, address, cast_on, limits_on, look_at, models_on
from moa_graph.cli.choice import MixtureChoice
from moa_graph.description import ModelSettings
from moa_graph.mixture import Mixture
from moa_graph.models.reference import ModelReference

__all__ = ["a_few", "on_own_server"]

MOST = 3
"""Models that are asked without a choice: each further one makes a machine of one's own load and unload."""

Say = Callable[[str], None]


def on_own_server(choice: MixtureChoice, mixture: Mixture, say: Say) -> tuple[MixtureChoice, Mixture]:
    """A mixture whose models are all on the server that a person names.

    Args:
        choice: What was chosen on the command line.
        mixture: Played by that server's models as a whole.
        say: Tells a person what is being waited for, or was chosen.

    Returns:
        What was chosen, with the server's own names for models understood, and the mixture that knows them.

    Raises:
        MixtureError: The server can't be asked, or has no such models.
    """
    url = address(choice.on or "")
    say(f"asking {url} which models it serves")
    server = look_at(url, "OPENAI_API_KEY" if choice.on_key and os.environ.get("OPENAI_API_KEY") else None)
    models = models_on(server, choice.models) or a_few(models_on(server, list(server.windows)), say)
    casting = cast_mixture(mixture, cast_on(server, models), anew=True)
    for note in casting.notes:
        say(note)
    choice, mixture = _by_their_names(choice, casting.mixture, server)
    return choice, mixture.model_copy(update={"limits": {**limits_on(server), **mixture.limits}})


def _by_their_names(choice: MixtureChoice, mixture: Mixture, server: OwnServer) -> tuple[MixtureChoice, Mixture]:
    models = dict(mixture.models)

    def known(name: str | None) -> str | None:
        if name is None or name not in server.windows or name in models:
            return name
        label = ModelReference("openai", name).label
        models[label] = ModelSettings.model_validate(cast_on(server, [name]).strong[0].settings())
        return label

    chosen = replace(
        choice,
        aggregator=known(choice.aggregator),
        reference_models=tuple(known(name) or name for name in choice.reference_models),
        beside=known(choice.beside),
    )
    return chosen, mixture.model_copy(update={"models": models})


def a_few(models: Sequence[str], say: Say) -> list[str]:
    """A few of a server's models: a person chooses on a terminal, otherwise the first ones are taken, and said.

    Args:
        models: Those that can chat.
        say: Tells a person which are asked.
    """
    if len(models) <= MOST:
        return list(models)
    if sys.stdin.isatty() and sys.stderr.isatty():
        for number, name in enumerate(models, 1):
            click.echo(f"{number:3}  {name}", err=True)
        asked = click.prompt("Which ones, the strongest first? (numbers)", default="1 2 3", err=True)
        numbers = [int(part) for part in asked.replace(",", " ").split() if part.isdigit()]
        if picked := [models[number - 1] for number in numbers if 1 <= number <= len(models)]:
            return picked
    say(f"{len(models)} models are served: {', '.join(models[:MOST])} are asked; --on with --models chooses others")
    return list(models[:MOST])
