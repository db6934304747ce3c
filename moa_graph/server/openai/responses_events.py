"""The events of a streamed response, in the protocol's order: items begin, grow and end one after another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages.tool import ToolCallChunk

from moa_graph.runs import Outcome
from moa_graph.server.openai.errors import ApiError
from moa_graph.server.openai.responses_answer import (
    Resource,
    brief,
    call_item,
    message_item,
    new_identity,
    reasoning_item,
    reasoning_part,
    text_part,
)
from moa_graph.server.openai.sse import DONE, named_event

__all__ = ["ResponseEvents"]


@dataclass
class _StreamedToolCall:
    """A tool call that is being told."""

    place: int
    identity: str
    call_id: str
    name: str
    arguments: str = ""

    def item(self, status: str = "completed") -> dict[str, Any]:
        return call_item(self.identity, self.call_id, self.name, self.arguments, status)


@dataclass
class _Open:
    """The items so far, in their places."""

    output: list[dict[str, Any]] = field(default_factory=list)
    reasoning: str | None = None
    blocks: list[str] = field(default_factory=list)
    message: str | None = None
    message_place: int = 0
    text: str = ""
    calls: dict[int, _StreamedToolCall] = field(default_factory=dict)


class ResponseEvents:
    """Tells one run.

    Args:
        resource: The response.
        left_out: What was asked for and isn't done.
        summary: Whether the reasoning is told in brief as well.
    """

    def __init__(self, resource: Resource, left_out: Mapping[str, str], *, summary: bool) -> None:
        self._written: list[bytes] = []
        self._resource = resource
        self._left_out = left_out
        self._summary = summary
        self._number = 0
        self._open = _Open()

    def begin(self) -> bytes:
        """Somebody answers."""
        self._tell("response.created", response=self._resource.begun())
        self._tell("response.in_progress", response=self._resource.begun())
        return self._taken()

    def told(self, told: Mapping[str, Any], reasoning: str) -> bytes:
        """A finished proposal is one part of the reasoning, with its event."""
        if not reasoning or self._open.message is not None or self._open.calls:
            self._tell("response.in_progress", response=self._resource.begun(), moa=told)
            return self._taken()
        if self._open.reasoning is None:
            self._open.reasoning = new_identity("rs")
            item = reasoning_item(self._open.reasoning, [], summary=False, status="in_progress")
            self._tell("response.output_item.added", output_index=0, item=item)
        where = {"item_id": self._open.reasoning, "output_index": 0, "content_index": len(self._open.blocks)}
        if self._summary:
            self._tell_brief(reasoning)
        self._tell("response.content_part.added", **where, part=reasoning_part(""))
        self._tell("response.reasoning.delta", **where, delta=reasoning, moa=told)
        self._tell("response.reasoning.done", **where, text=reasoning)
        self._tell("response.content_part.done", **where, part=reasoning_part(reasoning))
        self._open.blocks.append(reasoning)
        return self._taken()

    def _tell_brief(self, reasoning: str) -> None:
        where = {"item_id": self._open.reasoning, "output_index": 0, "summary_index": len(self._open.blocks)}
        text = brief(reasoning)
        self._tell("response.reasoning_summary_part.added", **where, part={"type": "summary_text", "text": ""})
        self._tell("response.reasoning_summary_text.delta", **where, delta=text)
        self._tell("response.reasoning_summary_text.done", **where, text=text)
        self._tell("response.reasoning_summary_part.done", **where, part={"type": "summary_text", "text": text})

    def text(self, text: str) -> bytes:
        """A piece of the answer."""
        self._tell_text(text)
        return self._taken()

    def _tell_text(self, text: str) -> None:
        opened = self._open
        if opened.message is None:
            self._end_reasoning()
            opened.message = new_identity("msg")
            opened.message_place = len(opened.output) + len(opened.calls)
            item = message_item(opened.message, None, "in_progress")
            self._tell("response.output_item.added", output_index=opened.message_place, item=item)
            self._tell("response.content_part.added", **self._in_message(), part=text_part(""))
        opened.text += text
        self._tell("response.output_text.delta", **self._in_message(), delta=text, logprobs=[])

    def call(self, index: int, piece: ToolCallChunk, identity: str | None) -> bytes:
        """A piece of a tool call."""
        opened = self._open
        if index not in opened.calls:
            self._end_reasoning()
            place = len(opened.output) + (opened.message is not None) + len(opened.calls)
            call = _StreamedToolCall(place, new_identity("fc"), identity or new_identity("call"), piece["name"] or "")
            opened.calls[index] = call
            self._tell("response.output_item.added", output_index=place, item=call.item("in_progress"))
        call = opened.calls[index]
        if arguments := piece["args"] or "":
            call.arguments += arguments
            where = {"item_id": call.identity, "output_index": call.place}
            self._tell("response.function_call_arguments.delta", **where, delta=arguments)
        return self._taken()

    def end(self, outcome: Outcome) -> bytes:
        """The answer is whole: every item ends, and the response with them."""
        if self._open.message is None and not self._open.calls:
            self._tell_text("")
        incomplete = outcome.message.response_metadata.get("finish_reason") == "length"
        self._end_items("incomplete" if incomplete else "completed")
        ended = self._resource.ended(outcome, self._open.output, self._left_out)
        self._tell(f"response.{ended['status']}", response=ended)
        return self._taken()

    def failed(self, error: ApiError) -> bytes:
        """The events with which a stream ends that failed in the middle."""
        self._end_items("incomplete")
        data = error.to_data()
        self._tell("error", code=data["code"], message=data["message"], param=data["param"], error=data)
        self._tell("response.failed", response=self._resource.failed(data, self._open.output))
        return self._taken() + DONE

    def _end_items(self, status: str) -> None:
        """Ends what is open, in the order of its places."""
        opened = self._open
        self._end_reasoning()
        calls = {call.place: call for call in opened.calls.values()}
        for place in range(len(opened.output), len(opened.output) + len(calls) + (opened.message is not None)):
            if place in calls:
                self._end_call(calls[place], status)
            else:
                self._end_message(status)
        opened.message = None
        opened.calls.clear()

    def _end_message(self, status: str) -> None:
        where, text = self._in_message(), self._open.text
        self._tell("response.output_text.done", **where, text=text, logprobs=[])
        self._tell("response.content_part.done", **where, part=text_part(text))
        self._end_item(message_item(str(self._open.message), text, status))

    def _end_call(self, call: _StreamedToolCall, status: str) -> None:
        where = {"item_id": call.identity, "output_index": call.place}
        self._tell("response.function_call_arguments.done", **where, name=call.name, arguments=call.arguments)
        self._end_item(call.item(status))

    def _end_reasoning(self) -> None:
        if self._open.reasoning is not None:
            self._end_item(reasoning_item(self._open.reasoning, self._open.blocks, summary=self._summary))
            self._open.reasoning = None

    def _end_item(self, item: dict[str, Any]) -> None:
        self._tell("response.output_item.done", output_index=len(self._open.output), item=item)
        self._open.output.append(item)

    def _in_message(self) -> dict[str, Any]:
        """Where the answer's text stands."""
        return {"item_id": self._open.message, "output_index": self._open.message_place, "content_index": 0}

    def _tell(self, kind: str, **fields: Any) -> None:
        self._written.append(named_event(kind, {"type": kind, "sequence_number": self._number, **fields}))
        self._number += 1

    def _taken(self) -> bytes:
        """The events since the last time."""
        written, self._written = self._written, []
        return written[0] if len(written) == 1 else b"".join(written)
