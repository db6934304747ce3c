"""``moa chat``: a conversation that is kept."""

from __future__ import annotations

from pathlib import Path

import click

from moa_graph.cli.choice import MixtureChoice, choice_options

__all__ = ["chat"]


@click.command()
@choice_options
@click.option("-t", "--thread", metavar="NAME", help="Continue the conversation of this name, or start it.")
@click.option(
    "--file", type=click.Path(dir_okay=False, path_type=Path), envvar="MOA_CHATS", show_envvar=True,
    help="SQLite file for conversations. Default: chats.sqlite in this program's own folder.",
)  # fmt: skip
@click.option("-s", "--system", metavar="TEXT", help="How to answer: a system message for every model.")
@click.option("--list", "list_threads", is_flag=True, help="List the conversations in the file.")
@click.option(
    "--multi-turn/--no-multi-turn", default=True, show_default=True,
    help="Whether a question is asked with the conversation before it; without, nothing is stored.",
)  # fmt: skip
def chat(
    choice: MixtureChoice,
    thread: str | None,
    file: Path | None,
    system: str | None,
    list_threads: bool,
    multi_turn: bool,
) -> None:
    """Talk with a mixture; conversations are kept and go on by name.

    Enter sends, Alt-Enter or Ctrl-J begins a new line, and pasted lines are one message. /help lists what else can be
    typed. Ctrl-C stops an answer, Ctrl-D leaves.
    """
    if thread is not None and not multi_turn:
        raise click.UsageError("--no-multi-turn stores nothing: leave --thread out.")
    from moa_graph.cli.conversation import talk
    from moa_graph.cli.threads import listed

    file = file or Path(click.get_app_dir("moa-graph")) / "chats.sqlite"
    if list_threads:
        for line in listed(file):
            click.echo(line)
        return
    talk(choice, file if multi_turn else None, thread, system)
