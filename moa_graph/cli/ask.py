"""``moa ask``: one question, one answer."""

from __future__ import annotations

import sys

import click

from moa_graph.cli.choice import Choice, choice_options

__all__ = ["ask"]


@click.command()
@click.argument("prompt", required=False)
@choice_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object: answer, proposals and report.")
@click.option("--events", is_flag=True, help="The run's events as JSON lines in the answer's place.")
def ask(prompt: str | None, choice: Choice, as_json: bool, events: bool) -> None:
    """Ask a mixture; the answer goes to stdout, all else to stderr.

    PROMPT is the question; without it, or as -, it is read from stdin.
    """
    question = _question(prompt)
    from moa_graph.cli.building import build
    from moa_graph.cli.doors import open_door
    from moa_graph.cli.running import ask_once, until_interrupted

    chosen = build(choice)
    door = open_door(chosen.headline, mark=chosen.mark, as_json=as_json, events=events)
    until_interrupted(ask_once(chosen, question, choice.limits(), door), door)


def _question(prompt: str | None) -> str:
    if prompt is None or prompt == "-":
        if prompt is None and sys.stdin.isatty():
            raise click.UsageError('There is no question. Write it, as in: moa ask "Why is the sky blue?"')
        prompt = sys.stdin.read().rstrip("\n")
    if not prompt.strip():
        raise click.UsageError("The question is empty.")
    return prompt
