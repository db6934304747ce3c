"""A conversation on the terminal: turn after turn on one event loop, so that connections stay open between them."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import click
from langgraph.graph.state import CompiledStateGraph

from moa_graph.cli.building import Chosen, build
from moa_graph.cli.choice import Choice
from moa_graph.cli.doors import open_door
from moa_graph.cli.failing import one_line
from moa_graph.cli.running import take_turn
from moa_graph.cli.threads import keeper, name_of_now, naming
from moa_graph.errors import MissingKey, MixtureError, MoaError, OptionsError

__all__ = ["talk"]

HOPELESS = (MixtureError, MissingKey, OptionsError)
"""What no further question could mend."""


def talk(choice: Choice, file: Path | None, thread: str | None) -> None:
    """Reads questions until there are no more, and shows an answer to each.

    Args:
        choice: What was chosen on the command line.
        file: Where the conversation is kept; None keeps nothing, and each question stands alone.
        thread: Name of the conversation; None begins a new one.

    Raises:
        MoaError: What was chosen can't work.
        click.ClickException: The conversation can't be kept any longer.
    """
    chosen = build(choice)
    if file is not None:
        thread = thread or name_of_now()
    at_the_end = AsyncExitStack()
    with asyncio.Runner() as runner:
        try:
            graph = runner.run(_opened(chosen, file, at_the_end))
            _say(chosen.headline)
            if thread is not None:
                _say(f"conversation {thread}; go on with it later by --thread {thread}")
            with naming(file):
                while (question := _question()) is not None:
                    if question.strip():
                        _answer(runner, graph, question, choice.limits(), thread, chosen.mark)
        finally:
            runner.run(at_the_end.aclose())


async def _opened(chosen: Chosen, file: Path | None, at_the_end: AsyncExitStack) -> Any:
    """The graph with its store and its checkpointer, which are closed at the end."""
    if chosen.store is not None:
        await at_the_end.enter_async_context(chosen.store)
    saver = None if file is None else await at_the_end.enter_async_context(keeper(file))
    return chosen.graph.compile(checkpointer=saver)


def _answer(
    runner: asyncio.Runner,
    graph: CompiledStateGraph[Any, Any, Any, Any],
    question: str,
    limits: dict[str, Any],
    thread: str | None,
    mark: str | None,
) -> None:
    """One turn. A run that fails, or that the person stops, doesn't end the conversation."""
    door = open_door(mark=mark)
    try:
        runner.run(take_turn(graph, question, limits, door, thread))
    except KeyboardInterrupt:
        door.say_cost_so_far()
    except HOPELESS:
        raise
    except (MoaError, click.ClickException) as error:
        _say(one_line(error))


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
    with suppress(ImportError):  # not on every platform
        import readline  # noqa: F401  (gives input() a history and keys to edit with)

    if sys.stdout.isatty():
        return input("\n> ")
    click.echo("\n> ", nl=False, err=True)
    return input()
