"""Runs one turn of a graph and shows it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import AsyncExitStack, aclosing
from typing import Any, cast

import click
from langchain_core.messages import AIMessageChunk
from langgraph.graph.state import CompiledStateGraph

from moa_graph.cli.answer import AnswerBegunAnew, Outcome
from moa_graph.cli.building import Chosen
from moa_graph.cli.doors import Door
from moa_graph.cli.failing import INTERRUPTED
from moa_graph.errors import MoaError

__all__ = ["ask_once", "take_turn", "until_interrupted"]


def until_interrupted(work: Coroutine[Any, Any, None], door: Door) -> None:
    """Runs a coroutine; Ctrl-C cancels it, and what it has cost so far is told."""
    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        door.say_cost_so_far()
        raise click.exceptions.Exit(INTERRUPTED) from None


async def ask_once(chosen: Chosen, question: str, limits: dict[str, Any], door: Door) -> None:
    """One question, one answer."""
    async with AsyncExitStack() as at_the_end:
        if chosen.store is not None:
            await at_the_end.enter_async_context(chosen.store)
        await take_turn(chosen.graph.compile(), question, limits, door)


async def take_turn(
    graph: CompiledStateGraph[Any, Any, Any, Any],
    question: str,
    limits: dict[str, Any],
    door: Door,
    thread: str | None = None,
) -> None:
    """Asks a graph and shows what comes.

    Args:
        graph: A mixture's graph.
        question: What the user says.
        limits: Run-time options.
        door: Where all of it is shown.
        thread: Name of the conversation, for a graph with a checkpointer.

    Raises:
        MoaError: The run failed.
        click.ClickException: stdout holds more than the answer.
    """
    final: dict[str, Any] = {}
    stream = _stream(graph, question, limits, thread)
    try:
        async with aclosing(stream):
            async for mode, part in stream:
                if mode == "values":
                    final = part
                else:
                    _show(mode, part, door)
    except BaseException as error:
        door.leave()
        if isinstance(error, Exception) and not isinstance(error, BrokenPipeError | MoaError):
            door.say_cost_so_far()
        raise
    try:
        door.finish(Outcome(final["messages"][-1].text, final["records"], final["report"]))
    except AnswerBegunAnew as begun:
        raise click.ClickException(
            f"the answer began anew ({begun}): stdout holds what was dropped, an empty line, and the whole answer. "
            "Ask with --json to get only whole answers"
        ) from None


def _stream(
    graph: CompiledStateGraph[Any, Any, Any, Any], question: str, limits: dict[str, Any], thread: str | None
) -> AsyncGenerator[tuple[str, Any]]:
    """The run's events, tokens and states."""
    stream: Any = graph.astream(
        {"messages": [("user", question)]},
        {"configurable": {"thread_id": thread}} if thread else None,
        context=limits or None,
        stream_mode=["custom", "messages", "values"],
    )
    return cast("AsyncGenerator[tuple[str, Any]]", stream)


def _show(mode: str, part: Any, door: Door) -> None:
    if mode == "custom":
        door.event(part)
    elif isinstance(part[0], AIMessageChunk):
        door.token(str(part[0].text))
