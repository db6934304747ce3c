"""A run as a stream of either protocol tells it: the panel's work as reasoning, then the answer, never twice."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Protocol

from langchain_core.messages.tool import ToolCallChunk, tool_call_chunk

from moa_graph.runs import Event, Outcome, RunItem, Token
from moa_graph.server.openai.errors import ApiError
from moa_graph.server.openai.panel import block
from moa_graph.server.openai.sse import Put
from moa_graph.state import Record

__all__ = ["Narrator", "Teller"]


class Teller(Protocol):
    """Writes one run in one protocol's events, each as the bytes that are sent."""

    def begin(self) -> bytes:
        """Somebody answers."""

    def told(self, told: Mapping[str, Any], reasoning: str) -> bytes:
        """An event of the run, with what it adds to the reasoning."""

    def text(self, text: str) -> bytes:
        """A piece of the answer."""

    def call(self, index: int, piece: ToolCallChunk, identity: str | None) -> bytes:
        """A piece of a tool call; ``identity`` comes with its first piece alone."""

    def end(self, outcome: Outcome) -> bytes:
        """The answer is whole."""

    def failed(self, error: ApiError) -> bytes:
        """There will be no more of the answer."""


class Narrator:
    """Reads one run and has it told.

    Args:
        teller: Writes it.
        put: Takes what is written.
        answering: Called with the first part: what the run asks for isn't refused.
        live: Whether every event is told, rather than those of finished proposals alone.
    """

    def __init__(self, teller: Teller, put: Put, answering: Callable[[], None], *, live: bool = False) -> None:
        self._teller = teller
        self._put = put
        self._answering = answering
        self._live = live
        self._last_stage = ""
        self._events: dict[tuple[str, str, int], Event] = {}
        self._begun = False
        self._calls: dict[int | str, int] = {}

    async def read(self, parts: AsyncIterator[RunItem]) -> Outcome | None:
        """Tells everything.

        Raises:
            ApiError: The answer began again after its first token: what was told can't be taken back.
        """
        outcome = None
        async for part in parts:
            self._answering()
            if isinstance(part, Token):
                self._token(part)
            elif isinstance(part, Outcome):
                outcome = part
                self._outcome(part)
            else:
                self._event(part)
        return outcome

    def _event(self, event: Event) -> None:
        match event["type"]:
            case "reset":
                if self._begun:
                    raise _began_again(event["reason"])
            case "record_finished":
                self._events[event["stage"], event["slot"], event["sample"]] = event
            case "run_started":
                self._last_stage = next(reversed(event["stages"]), "")
        if self._live and event["type"] not in ("record_finished", "run_finished"):
            self._put(self._teller.told(event, ""))

    def given(self, records: Sequence[Record]) -> None:
        """Tells what the slots of a node gave."""
        for record in records:
            self._record(record)

    def _record(self, record: Record) -> None:
        """A record's event waits for its text, so that both come on one chunk."""
        event = self._events.pop((record["stage"], record["slot"], record["sample"]), None)
        if event is None:
            return
        reasoning = "" if record["stage"] == self._last_stage else block(record)
        if reasoning or record["status"] == "failed" or self._live:
            self._put(self._teller.told({**event, "text": record["text"]} if self._live else event, reasoning))

    def _token(self, token: Token) -> None:
        if token.text:
            self._begun = True
            self._put(self._teller.text(token.text))
        for piece in token.chunk.tool_call_chunks:
            self._begun = True
            self._call(piece)

    def _call(self, piece: ToolCallChunk) -> None:
        """Providers number calls by whatever else the message holds: here they count from 0."""
        place = piece["index"] if piece["index"] is not None else piece["id"] or "only"
        if place in self._calls:
            self._put(self._teller.call(self._calls[place], piece, None))
        else:
            self._calls[place] = len(self._calls)
            self._put(self._teller.call(self._calls[place], piece, piece["id"] or f"call_{uuid.uuid4().hex[:24]}"))

    def _outcome(self, outcome: Outcome) -> None:
        if not self._begun:
            self._whole(outcome)
        self._put(self._teller.end(outcome))

    def _whole(self, outcome: Outcome) -> None:
        """The answer of a run that streamed none of it: it was chosen, or follows a response format."""
        if outcome.answer:
            self._put(self._teller.text(outcome.answer))
        for index, call in enumerate(outcome.message.tool_calls):
            arguments = json.dumps(call["args"], ensure_ascii=False)
            self._call(tool_call_chunk(name=call["name"], args=arguments, id=call["id"], index=index))


def _began_again(reason: str) -> ApiError:
    message = f"The answer was restarted after its first token, and what was streamed can't be withdrawn: {reason}"
    return ApiError(502, message, code="answer_began_again")
