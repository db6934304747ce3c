"""One reader of runs, for every door: the terminal, the chat model, servers, batches and evaluations.

:func:`follow` gives a run's events and the answer's tokens as they come, and its outcome last; :func:`run` gives the
outcome alone. Runs share nothing that is kept here, so any number may go on side by side. A run that is left, by
cancelling its task or closing its generator, closes its requests to the models.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.runnables import RunnableConfig
from langgraph.types import StreamMode

from moa_graph.calls.events import Event, Reset
from moa_graph.errors import RunFailed
from moa_graph.graph import Compiled, MoaGraph
from moa_graph.options import AnswerSettings, Options
from moa_graph.report import Report
from moa_graph.state import Record

__all__ = ["Event", "Outcome", "Reset", "RunItem", "Token", "follow", "run"]

OUTPUT = ("messages", "records", "report")
"""Asked of every graph, also of one that gives its parent graph the conversation alone."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the answer as it is written: text, a piece of a tool call, or of the reasoning that comes before.

    Args:
        chunk: As LangChain streams it, under the id of the message that it is part of.
    """

    chunk: AIMessageChunk

    @property
    def text(self) -> str:
        """The text that it adds."""
        return str(self.chunk.text)

    @property
    def is_answer(self) -> bool:
        """Whether it is of the answer itself, rather than of the reasoning beside it."""
        return bool(self.chunk.text or self.chunk.tool_call_chunks)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave.

    Args:
        message: The answer.
        records: Everything that slots gave, live and failed, in the configured order.
        report: What the run did and cost.
    """

    message: AIMessage
    records: list[Record]
    report: Report

    @property
    def answer(self) -> str:
        """The answer's text."""
        return str(self.message.text)


RunItem = Event | Token | Outcome
"""What a run is told in. An event is a dictionary with a ``type``: see ``docs/events.md``."""


async def follow(
    graph: Compiled,
    messages: str | Sequence[Any] | None,
    *,
    options: Options | Mapping[str, Any] | None = None,
    answer: AnswerSettings | None = None,
    config: RunnableConfig | None = None,
    tokens: bool = True,
    given: Callable[[list[Record]], None] | None = None,
) -> AsyncGenerator[RunItem, None]:
    """Runs one turn and tells everything about it, the outcome last.

    Where the answer begins anew after its first tokens, a ``reset`` event says so: the tokens so far are to be dropped.
    Read it within ``contextlib.aclosing``, so that a run that isn't read to its end is closed at once.

    >>> from moa_graph import create_moa
    >>> graph = create_moa("moa-lite", simulate=True).compile()
    >>> async def ask(question: str) -> None:
    ...     async with aclosing(follow(graph, [("user", question)])) as parts:
    ...         async for part in parts:
    ...             if isinstance(part, Token):
    ...                 print(part.text, end="")
    ...             elif isinstance(part, Outcome):
    ...                 print(part.report["cost"])

    Args:
        graph: A compiled graph of a mixture.
        messages: The conversation, or what is new of it where a checkpointer keeps the rest; a text is the user's.
            None goes on with a thread whose last run failed or was interrupted.
        options: Run-time options of the mixture.
        answer: What the caller asks of the answer: tools, a response format, parameters of the model that writes it.
        config: As for any graph: ``{"configurable": {"thread_id": ...}}``, callbacks, tags.
        tokens: Tell the answer's tokens. Without them no model has to stream, which takes far less processor time.
        given: Told what the slots of a node gave, texts and all, as soon as the node has ended.

    Yields:
        Events and tokens as they come, and one :class:`Outcome`.

    Raises:
        MoaError: The run failed, or something that was asked of it can't work.
        RunFailed: The run stopped before its answer, at an interrupt that the graph was compiled with.
    """
    state: Mapping[str, Any] = {}
    modes: list[StreamMode] = ["custom", "values"]
    if tokens:
        modes.append("messages")
    if given is not None:
        modes.append("updates")
    streamed: AIMessageChunk | None = None
    parts = cast(
        "AsyncGenerator[tuple[str, Any]]",
        graph.astream(
            _input(messages),
            config,
            context=_context(graph, options, answer),
            stream_mode=modes,
            output_keys=OUTPUT,
        ),
    )
    async with aclosing(parts):
        async for mode, part in parts:
            if mode == "values":
                state = part
            elif mode == "custom" and _is_event(part):
                streamed = None if part["type"] == "reset" else streamed
                yield part
            elif mode == "messages" and isinstance(part[0], AIMessageChunk):
                token = Token(part[0])
                streamed = part[0] if token.is_answer else streamed
                yield token
            elif mode == "updates" and given is not None:
                given(_records_in(part))
    outcome = _outcome(state)
    if streamed is not None and streamed.id != outcome.message.id:
        yield _replaced(outcome.report, str(streamed.id))
    yield outcome


async def run(
    graph: Compiled,
    messages: str | Sequence[Any] | None,
    *,
    options: Options | Mapping[str, Any] | None = None,
    answer: AnswerSettings | None = None,
    config: RunnableConfig | None = None,
) -> Outcome:
    """Runs one turn. Nothing is streamed, which takes far less processor time.

    Args:
        graph: A compiled graph of a mixture.
        messages: As for :func:`follow`.
        options: Run-time options of the mixture.
        answer: As for :func:`follow`.
        config: As for :func:`follow`.

    Raises:
        MoaError: As for :func:`follow`.
    """
    context = _context(graph, options, answer)
    return _outcome(await graph.ainvoke(_input(messages), config, context=context, output_keys=OUTPUT))


def _input(messages: str | Sequence[Any] | None) -> dict[str, list[Any]] | None:
    """The graph gives messages their identity: the caller's own stay as they are."""
    if messages is None:
        return None
    if isinstance(messages, str):
        return {"messages": [("user", messages)]}
    return {"messages": [one.model_copy() if isinstance(one, BaseMessage) else one for one in messages]}


def _context(graph: Compiled, options: Options | Mapping[str, Any] | None, answer: AnswerSettings | None) -> Any:
    """What LangGraph hands to the nodes; with an answer's settings, which only Python code can give."""
    if not isinstance(options, Options):
        if not options and answer is None:
            return None
        options = cast(MoaGraph, graph.builder).plan.options(**options or {})
    return options if answer is None else options.with_answer(answer)


def _is_event(told: Any) -> bool:
    """Stages of one's own may write whatever they like to this stream."""
    return isinstance(told, Mapping) and "type" in told and "mixture" in told


def _records_in(update: Mapping[str, Any]) -> list[Record]:
    """The records in an update; ``prepare`` overwrites instead, with what was there before."""
    written = [(node or {}).get("records") for node in update.values()]
    return [record for records in written if isinstance(records, list) for record in records]


def _outcome(state: Mapping[str, Any]) -> Outcome:
    if not state.get("report"):
        raise RunFailed("the run stopped before its answer: resume its thread, or compile the graph without interrupts")
    return Outcome(state["messages"][-1], state["records"], state["report"])


def _replaced(report: Report, message_id: str) -> Reset:
    """Told where an answer was written, and another took its place."""
    return {
        "type": "reset",
        "mixture": report["mixture"],
        "stage": report["stages"][-1]["stage"],
        "message_id": message_id,
        "reason": "; ".join(report["degraded"]) or "another answer took its place",
    }
