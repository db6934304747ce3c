"""What a person tells the chat itself: lines that begin with a slash, and never go to models."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from moa_graph.cli.columns import terminal_width, wrapped

if TYPE_CHECKING:
    from moa_graph.cli.conversation import ChatSession

__all__ = ["command_in", "obey"]

_COMMAND = re.compile(r"/(?P<name>[A-Za-z?]\S*)(?:[^\S\n]+(?P<rest>.*))?")


def command_in(turn: str) -> tuple[str, str, str] | None:
    """The command that a turn begins with, what stands behind its name, and the lines after it; None for a question.

    What is typed before the chat is ready comes as one turn of several lines. Those behind a command that there is are
    a turn of their own; those behind any other stay unsent with it.
    """
    line, _, further = turn.partition("\n")
    found = _COMMAND.fullmatch(line)
    if found is None:
        return None
    name = found["name"].lower()
    return name, (found["rest"] or "").strip(), further if name in COMMANDS else ""


def obey(conversation: ChatSession, name: str, rest: str) -> str:
    """Does what a command says.

    Args:
        conversation: The one that it was given in.
        name: The command's name.
        rest: What stands behind it.

    Returns:
        What the person is told.

    Raises:
        EOFError: The conversation is over.
        click.UsageError: A file can't be read.
        MoaError: A mixture can't work.
    """
    if name in COMMANDS:
        return COMMANDS[name][1](conversation, rest)
    near = get_close_matches(name, COMMANDS, n=1)
    meant = f"Did you mean /{near[0]}? " if near else ""
    return f"There is no command /{name}. {meant}See /help. To send it to the models, begin with a space."


def _help(conversation: ChatSession, rest: str) -> str:
    name_width, columns = max(map(len, COMMANDS)) + 1, terminal_width()
    lines = [
        line
        for name, (told, _) in COMMANDS.items()
        if told
        for line in wrapped(f"/{name:{name_width}} {told}", "", " " * (name_width + 2), columns)
    ]
    keys = [
        "Enter sends; Alt-Enter or Ctrl-J begins a new line; pasted lines are one message; arrow keys go back.",
        "Ctrl-C stops an answer or empties the line; Ctrl-D leaves.",
    ]
    return "\n".join([*lines, *keys])


def _mixture(conversation: ChatSession, rest: str) -> str:
    if rest:
        conversation.change_mixture(rest)
    return conversation.about_mixture()


def _file(conversation: ChatSession, rest: str) -> str:
    if not rest:
        return "Name a file: /file notes.md"
    return f"{conversation.attach(Path(rest).expanduser())} goes with your next message."


def _cost(conversation: ChatSession, rest: str) -> str:
    return conversation.about_cost()


def _leave(conversation: ChatSession, rest: str) -> str:
    raise EOFError


COMMANDS: Mapping[str, tuple[str, Callable[[ChatSession, str], str]]] = {
    "help": ("this list", _help),
    "mixture": ("the mixture that answers; /mixture NAME changes it", _mixture),
    "cost": ("what this session has cost so far", _cost),
    "file": ("attach a text, an image or a PDF to the next message: /file PATH", _file),
    "exit": ("leave (Ctrl-D does too)", _leave),
    "quit": ("", _leave),
    "?": ("", _help),
}
"""By name: what it does, as /help tells it, and what does it. Those that tell nothing are other names."""
