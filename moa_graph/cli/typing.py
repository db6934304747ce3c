"""Where a person's turns come from: a terminal with editing and history, or the lines of a pipe."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.key_binding import KeyBindings

__all__ = ["Emptied", "Turns", "turns_of_a_person"]


class Emptied(Exception):
    """Ctrl-C emptied the line."""


class Turns(Protocol):
    """Gives what a person says, turn by turn."""

    def next(self, runner: asyncio.Runner) -> str:
        """The next turn.

        Args:
            runner: The event loop that nothing else uses meanwhile.

        Raises:
            EOFError: There are no more.
            Emptied: What was begun is dropped.
        """


class LinesOfAPipe:
    """Every line is a turn."""

    def next(self, runner: asyncio.Runner) -> str:
        """The next line."""
        return input()


class TypedTurns:
    """What is typed on a terminal: Enter sends, Alt-Enter or Ctrl-J begins a line, what is pasted is one turn.

    Args:
        said: What was said before, for the arrow keys.
    """

    def __init__(self, said: Sequence[str] = ()) -> None:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.history import InMemoryHistory
        from prompt_toolkit.output import create_output

        shown = create_output(stdout=sys.stdout if sys.stdout.isatty() else sys.stderr)
        self._session: PromptSession[str] = PromptSession(
            history=InMemoryHistory(said),
            multiline=True,
            key_bindings=_keys(),
            prompt_continuation="  ",
            interrupt_exception=Emptied,
            output=shown,
            enable_suspend=True,
        )

    def next(self, runner: asyncio.Runner) -> str:
        """What is typed until Enter."""
        return runner.run(self._session.prompt_async("\n> "))


def turns_of_a_person(said: Sequence[str] = ()) -> Turns:
    """What reads stdin as it is.

    Args:
        said: What was said before, for the arrow keys.
    """
    return TypedTurns(said) if sys.stdin.isatty() else LinesOfAPipe()


def _keys() -> KeyBindings:
    from prompt_toolkit.key_binding import KeyBindings

    keys = KeyBindings()

    @keys.add("enter")
    def _send(event: Any) -> None:
        event.current_buffer.validate_and_handle()

    @keys.add("escape", "enter")
    @keys.add("c-j")
    def _begin_a_line(event: Any) -> None:
        event.current_buffer.insert_text("\n")

    return keys
