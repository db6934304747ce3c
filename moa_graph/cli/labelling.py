"""A person labels disagreements in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from moa_graph.cli.printable import printable

if TYPE_CHECKING:
    from moa_graph.evaluation.labelling import AskLabel
    from moa_graph.evaluation.proposing import Proposer
    from moa_graph.evaluation.recordings import Recordings

__all__ = ["ask_nobody", "ask_person"]

LONGEST = 1500
"""Characters of an answer that are shown."""


def ask_person(recordings: Recordings, proposer: Proposer | None = None) -> AskLabel:
    """Shows a prompt and the different answers to it, without names, and takes the number of the right one.

    Args:
        recordings: The prompts and their answers.
        proposer: A judge whose proposals are shown as such.
    """
    from moa_graph.evaluation.labelling import StoppedAsking, answers_to_choose_from, text_of
    from moa_graph.evaluation.recordings import UNSEEN

    console = Console(stderr=True)
    asked = 0

    def ask(place: int) -> int:
        nonlocal asked
        asked += 1
        codes = answers_to_choose_from(recordings, place, range(len(recordings.models)))
        question = escape(printable(recordings.questions[place]))
        console.print(Panel(question, title=f"label {asked}: prompt {escape(recordings.ids[place])}"))
        for number, code in enumerate(codes, start=1):
            text = text_of(recordings, place, code)[:LONGEST]
            name = escape(printable(recordings.names[place][code]))
            console.print(Panel(escape(printable(text)), title=f"{number}: {name}", title_align="left"))
        if proposer is not None:
            _tell_proposal(proposer.propose(recordings, place), codes)
        keys = [*(str(number) for number in range(1, len(codes) + 1)), "0", "q"]
        told = click.prompt(
            "Which is right? (0: none, q: enough)", type=click.Choice(keys), err=True, show_choices=False
        )
        if told == "q":
            raise StoppedAsking
        return UNSEEN if told == "0" else codes[int(told) - 1]

    return ask


def _tell_proposal(proposal: int | None, codes: list[int]) -> None:
    if proposal is None:
        click.echo("The judge has no proposal.", err=True)
    elif proposal in codes:
        click.echo(f"The judge proposes {codes.index(proposal) + 1}; you decide.", err=True)
    else:
        click.echo("The judge proposes 0, none of them; you decide.", err=True)


def ask_nobody(recordings: Recordings) -> AskLabel:
    """Asks nobody: what is labelled already must do, and the rest waits for a page."""
    from moa_graph.evaluation.labelling import StoppedAsking

    def ask(place: int) -> int:
        raise StoppedAsking

    return ask
