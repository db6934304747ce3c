"""A conversation on the terminal: turn after turn on one event loop, so that connections stay open between them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import click

from moa_graph.cli.building import Chosen, build
from moa_graph.cli.choice import Choice
from moa_graph.cli.doors import Door, open_door
from moa_graph.cli.failing import one_line
from moa_graph.cli.running import take_turn
from moa_graph.cli.threads import keeper, name_of_now
from moa_graph.errors import MissingKey, MixtureError, MoaError, OptionsError

__all__ = ["Conversation"]

Given = TypeVar("Given")

HOPELESS = (MixtureError, MissingKey, OptionsError)
"""What no further question could mend."""


class Conversation:
    """Reads questions until there are no more, and shows an answer to each.

    Args:
        choice: What was chosen on the command line.
        file: Where the conversation is kept; None keeps nothing, and each question stands alone.
        thread: Name of the conversation; None begins a new one.
    """

    def __init__(self, choice: Choice, file: Path | None, thread: str | None) -> None:
        self._choice = choice
        self._chosen: Chosen = build(choice)
        self._file = file
        self._thread = (thread or name_of_now()) if file is not None else None
        self._runner = asyncio.Runner()
        self._at_the_end = AsyncExitStack()

    def __enter__(self) -> Self:
        self._runner.__enter__()
        self._graph = self._runner.run(self._opened())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._runner.run(self._at_the_end.aclose())
        finally:
            self._runner.__exit__(kind, error, traceback)

    def go_on(self) -> None:
        """Asks what the person asks, until the end of the input."""
        self._say(self._chosen.headline)
        if self._thread is not None:
            self._say(f"conversation {self._thread}; go on with it later by --thread {self._thread}")
        while (question := _question()) is not None:
            if question.strip():
                self._answer(question)

    def _answer(self, question: str) -> None:
        """One turn. A run that fails, or that the person stops, doesn't end the conversation."""
        door = open_door()
        limits = self._choice.limits()
        try:
            self._runner.run(take_turn(self._graph, question, limits, door, self._thread))
        except KeyboardInterrupt:
            door.say_cost_so_far()
        except HOPELESS:
            raise
        except (MoaError, click.ClickException) as error:
            self._say(one_line(error))

    async def _opened(self) -> Any:
        if self._chosen.store is not None:
            await self._at_the_end.enter_async_context(self._chosen.store)
        saver = None if self._file is None else await self._at_the_end.enter_async_context(keeper(self._file))
        return self._chosen.graph.compile(checkpointer=saver)

    @staticmethod
    def _say(text: str) -> None:
        open_door().say(text)


def _question() -> str | None:
    """The next line; None at the end of the input. Ctrl-C empties the line."""
    while True:
        try:
            return _line()
        except KeyboardInterrupt:
            click.echo(" (Ctrl-D leaves)", err=True)
        except EOFError:
            if sys.stdin.isatty():
                click.echo(err=True)
            return None


def _line() -> str:
    """Reads with the terminal's editing where there is one; the prompt goes where no answer goes."""
    if not sys.stdin.isatty():
        return input()
    import readline  # noqa: F401  (gives input() a history and keys to edit with)

    if sys.stdout.isatty():
        return input("\n> ")
    click.echo("\n> ", nl=False, err=True)
    return input()
