"""Runs one turn of a graph and shows it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import Any

import click
from langchain_core.runnables import RunnableConfig

from moa_graph.cli.answer import AnswerBegunAnew
from moa_graph.cli.beside import Beside
from moa_graph.cli.building import Chosen
from moa_graph.cli.display import RunDisplay
from moa_graph.cli.failing import INTERRUPTED
from moa_graph.errors import MoaError
from moa_graph.graph import Compiled
from moa_graph.interruptible import run
from moa_graph.runs import Outcome, RunItem, Token, follow

__all__ = ["ask_once", "take_turn", "until_interrupted"]


def until_interrupted(work: Coroutine[Any, Any, None], display: RunDisplay) -> None:
    """Runs a coroutine; Ctrl-C cancels it, and what it has cost so far is told."""
    try:
        run(work)
    except KeyboardInterrupt:
        display.say_cost_so_far()
        raise click.exceptions.Exit(INTERRUPTED) from None


async def ask_once(chosen: Chosen, messages: Sequence[Any], limits: dict[str, Any], display: RunDisplay) -> None:
    """One question, one answer."""
    async with AsyncExitStack() as at_the_end:
        if chosen.store is not None:
            await at_the_end.enter_async_context(chosen.store)
        await take_turn(chosen.graph.compile(), messages, limits, display, beside=chosen.beside)


async def take_turn(
    graph: Compiled,
    messages: Sequence[Any],
    limits: dict[str, Any],
    display: RunDisplay,
    thread: str | None = None,
    beside: Beside | None = None,
) -> None:
    """Asks a graph and shows what comes.

    Args:
        graph: A mixture's graph.
        messages: What the user says, and a system message if there is one.
        limits: Run-time options.
        display: Where all of it is shown.
        thread: Name of the conversation, for a graph with a checkpointer.
        beside: A model that is asked as well.

    Raises:
        MoaError: The run failed.
        click.ClickException: stdout holds more than the answer.
    """
    config: RunnableConfig | None = {"configurable": {"thread_id": thread}} if thread else None
    try:
        async with aclosing(follow(graph, messages, options=limits, config=config)) as parts:
            outcome = await _show(parts, display)
        alone = None if beside is None else await beside.ask(messages)
    except BaseException as error:
        display.leave()
        if isinstance(error, Exception) and not isinstance(error, BrokenPipeError | MoaError):
            display.say_cost_so_far()
        raise
    try:
        display.finish(outcome, alone)
    except AnswerBegunAnew as begun:
        raise click.ClickException(
            f"the answer was restarted ({begun}): stdout has the discarded text, an empty line, the whole answer. "
            "Use --json to get only complete answers"
        ) from None


async def _show(parts: AsyncGenerator[RunItem, None], display: RunDisplay) -> Outcome:
    """Shows what comes; the outcome is last."""
    async for part in parts:
        if isinstance(part, Outcome):
            return part
        if isinstance(part, Token):
            if part.is_answer:
                display.token(part.text)
        else:
            display.event(part)
    raise AssertionError("every run that doesn't fail ends with its outcome")
