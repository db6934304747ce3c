"""A conversation on the terminal: turn after turn on one event loop, so that connections stay open between them."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from moa_graph.calls.events import CallFinished
from moa_graph.cli.building import build
from moa_graph.cli.choice import MixtureChoice
from moa_graph.cli.display import open_display
from moa_graph.cli.failing import one_line
from moa_graph.cli.question import attached, messages_of
from moa_graph.cli.running import take_turn
from moa_graph.cli.slash import command_in, obey
from moa_graph.cli.tally import SpentSoFar, counted
from moa_graph.cli.threads import keeper, name_of_now, naming
from moa_graph.cli.typing import Emptied, turns_of_a_person
from moa_graph.errors import MissingKey, MixtureError, MoaError, OptionsError
from moa_graph.graph import Compiled
from moa_graph.interruptible import run_on
from moa_graph.size import size_of

__all__ = ["ChatSession", "talk"]

HOPELESS = (MixtureError, MissingKey, OptionsError)
"""What no further question could mend."""


def talk(choice: MixtureChoice, file: Path | None, thread: str | None, system: str | None = None) -> None:
    """Reads questions until there are no more, and shows an answer to each.

    Args:
        choice: What was chosen on the command line.
        file: Where the conversation is kept; None keeps nothing, and each question stands alone.
        thread: Name of the conversation; None begins a new one.
        system: How the models shall answer.

    Raises:
        MoaError: What was chosen can't work.
        click.ClickException: The conversation can't be kept any longer.
    """
    if file is not None:
        thread = thread or name_of_now()
    with asyncio.Runner() as runner:
        conversation = ChatSession(runner, choice, thread, system)
        try:
            conversation.open(file)
            with naming(file):
                _go_on(conversation, runner)
        finally:
            conversation.close()


def _go_on(conversation: ChatSession, runner: asyncio.Runner) -> None:
    """Turn after turn, until there are no more."""
    turns = turns_of_a_person(conversation.said() if sys.stdin.isatty() else ())
    while True:
        try:
            turn = turns.next(runner)
            while (command := command_in(turn)) is not None:
                name, rest, turn = command
                _tell(conversation, name, rest)
            if turn.strip():
                conversation.answer(turn)
        except (Emptied, KeyboardInterrupt):
            click.echo(" (Ctrl-D leaves)", err=True)
        except EOFError:
            if sys.stdin.isatty():
                click.echo(err=True)
            return


def _tell(conversation: ChatSession, name: str, rest: str) -> None:
    try:
        for line in obey(conversation, name, rest).splitlines():
            _say(line)
    except (MoaError, click.ClickException) as error:
        _say(one_line(error))


class ChatSession:
    """What goes on from turn to turn.

    Args:
        runner: The event loop of all turns.
        choice: What was chosen on the command line.
        thread: Name of the conversation; None keeps nothing.
        system: How the models shall answer.
    """

    def __init__(self, runner: asyncio.Runner, choice: MixtureChoice, thread: str | None, system: str | None) -> None:
        self._runner = runner
        self._choice = choice
        self._thread = thread
        self._system = system
        self._chosen = build(choice)
        self._graph: Compiled
        self._saver: Any = None
        self._at_the_end = AsyncExitStack()
        self._files: list[Path] = []
        self._calls: list[CallFinished] = []

    def open(self, file: Path | None) -> None:
        """Opens what the conversation is kept in, and says which it is."""
        self._runner.run(self._open(file))
        _say(self._chosen.headline)
        if self._thread is not None:
            _say(f"conversation {self._thread}; continue it later with --thread {self._thread}")
        if sys.stdin.isatty():
            _say("/help lists what else can be typed")

    def close(self) -> None:
        """Closes all that was opened."""
        self._runner.run(self._at_the_end.aclose())

    def said(self) -> list[str]:
        """What the person has said in this conversation before."""
        if self._thread is None:
            return []
        state = self._runner.run(self._graph.aget_state({"configurable": {"thread_id": self._thread}}))
        return [message.text for message in state.values.get("messages", []) if message.type == "human"]

    def answer(self, question: str) -> None:
        """One turn. A run that fails, or that the person stops, doesn't end the conversation."""
        display = open_display(mark=self._chosen.mark)
        try:
            messages = messages_of(question, self._files, self._system)
            self._files = []
            run_on(self._runner, take_turn(self._graph, messages, self._choice.limits(), display, self._thread))
        except KeyboardInterrupt:
            display.say_cost_so_far()
        except HOPELESS:
            raise
        except (MoaError, click.ClickException) as error:
            _say(one_line(error))
        finally:
            self._calls += display.tally.calls

    def attach(self, file: Path) -> str:
        """Has a file go with the next question, and says what it is."""
        described = attached(file)
        self._files.append(file)
        return described

    def change_mixture(self, name: str) -> None:
        """Has another mixture answer from now on, with the same models' limits and store."""
        self._chosen = build(replace(self._choice, mixture=name), store=self._chosen.store)
        self._graph = self._chosen.graph.compile(checkpointer=self._saver)

    def about_mixture(self) -> str:
        """Which mixture answers, what it takes, and who is in it."""
        plan = self._chosen.graph.plan
        size = size_of(plan)
        stages = [
            f"{bound.name}: {', '.join(slot.members[0].reference for slot in bound.slots) or 'no model'}"
            for bound in plan.stages
        ]
        takes = f"{counted(size.calls, 'call')} per answer, {size.critical_path} of them one after another"
        return "\n".join([self._chosen.headline, takes, *stages])

    def about_cost(self) -> str:
        """What the session has cost so far."""
        spent = SpentSoFar.on(self._calls)
        return f"{counted(spent.calls, 'call')}, {counted(spent.tokens, 'token')}, {spent.price()} in this session"

    async def _open(self, file: Path | None) -> None:
        if self._chosen.store is not None:
            await self._at_the_end.enter_async_context(self._chosen.store)
        self._saver = None if file is None else await self._at_the_end.enter_async_context(keeper(file))
        self._graph = self._chosen.graph.compile(checkpointer=self._saver)


def _say(text: str) -> None:
    open_display().say(text)
