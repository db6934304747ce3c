"""``moa ask``: one question, one answer."""

from __future__ import annotations

from pathlib import Path

import click

from moa_graph.cli.choice import MixtureChoice, choice_options
from moa_graph.cli.question import messages_of, typed

__all__ = ["ask"]


@click.command()
@click.argument("prompt", nargs=-1)
@choice_options
@click.option("-s", "--system", metavar="TEXT", help="How to answer: a system message for every model.")
@click.option(
    "--file", "files", multiple=True, type=click.Path(path_type=Path), metavar="FILE",
    help="What the question is about: text, or an image or PDF for models that read them. May be repeated.",
)  # fmt: skip
@click.option("--show-proposals", is_flag=True, help="What every model answered, before the answer.")
@click.option(
    "--beside", metavar="MODEL", help="Also ask this single model, and show both answers with their time and cost."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object: answer, proposals and report.")
@click.option("--events", is_flag=True, help="The run's events as JSON lines instead of the answer.")
def ask(
    prompt: tuple[str, ...],
    choice: MixtureChoice,
    system: str | None,
    files: tuple[Path, ...],
    show_proposals: bool,
    as_json: bool,
    events: bool,
) -> None:
    """Ask a mixture; the answer goes to stdout, all else to stderr.

    PROMPT is the question, in quotes. What a pipe brings is what it is about; without PROMPT, or with -, it is the
    question itself.
    """
    question = messages_of(typed(prompt, with_files=bool(files)), files, system)
    from moa_graph.cli.building import build
    from moa_graph.cli.display import open_display
    from moa_graph.cli.running import ask_once, until_interrupted

    chosen = build(choice)
    display = open_display(
        chosen.headline, mark=chosen.mark, as_json=as_json, events=events, show_proposals=show_proposals
    )
    until_interrupted(ask_once(chosen, question, choice.limits(), display), display)
