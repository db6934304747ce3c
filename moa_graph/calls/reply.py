"""What one model replied: its text, the tools that it calls or its structured content; or why there is nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from langchain_core.messages import AIMessage, ToolCall

from moa_graph.calls.failures import Diagnosis, is_truncated, judge
from moa_graph.calls.request import AnswerRequest
from moa_graph.calls.structured import read
from moa_graph.models.catalogue import Member
from moa_graph.tool_texts import told_calls
from moa_graph.visible import answer_text, hidden_text, visible_text

__all__ = ["ModelReply", "calls_tools", "reply_in"]

TOLD_ELSEWHERE = frozenset({"function_call", "parsed", "tool_calls"})
"""Of a message's further fields, those whose content stands in fields of its own."""


@dataclass(frozen=True)
class ModelReply:
    """What a member gave.

    Args:
        member: Who was asked.
        notes: What a reader should know.
        text: The visible text.
        data: Structured content, as plain JSON.
        tool_calls: Tools that it calls.
        truncated: Whether it stopped at ``max_tokens``.
        failure: Why it is no answer; None if it is one.
        reasoning: What it thought, where that is kept.
        given: Of the run's answer, what its provider gave beside the text: blocks of reasoning, citations.
        message_id: Identity of the message under which it was streamed; None where nothing was.
    """

    member: Member
    notes: tuple[str, ...] = ()
    text: str = ""
    data: Any = None
    tool_calls: tuple[ToolCall, ...] = ()
    truncated: bool = False
    failure: Diagnosis | None = None
    reasoning: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)
    message_id: str | None = None


def reply_in(message: AIMessage, request: AnswerRequest, member: Member, notes: tuple[str, ...]) -> ModelReply:
    """The reply that a message holds: tool calls, or structured content where some was asked for, or its text."""
    reply = _read_reply(message, request, member, notes)
    if not request.closes or reply.failure is not None:
        return reply
    return replace(reply, given=as_given(message, reply.text))


def _read_reply(message: AIMessage, request: AnswerRequest, member: Member, notes: tuple[str, ...]) -> ModelReply:
    truncated = is_truncated(message)
    if truncated:
        notes += ("the answer was cut off at max_tokens",)
    thought = thoughts_in(message) if member.settings.keep_reasoning else ""
    text = (answer_text if request.closes else visible_text)(message.text)
    reply = ModelReply(member, notes, text, truncated=truncated, reasoning=thought)
    if message.invalid_tool_calls and request.closes and request.prompt.tools:
        unreadable = f"a tool call's arguments aren't a JSON object: {message.invalid_tool_calls[0]['args']}"
        return replace(reply, failure=Diagnosis("malformed", unreadable, retryable=True))
    if calls_tools(message, request):
        return replace(reply, tool_calls=tuple(message.tool_calls))
    if request.response_format is None:
        told = "" if request.closes and text else told_calls(message.tool_calls)
        if text and not told:
            return reply
        text = f"{reply.text}\n\n{told}".strip()
        return replace(reply, text=text) if text else replace(reply, failure=judge(AIMessage("")))
    data, problem = read(message, request.response_format)
    written = json.dumps(message.tool_calls[0]["args"]) if message.tool_calls else reply.text
    if problem is not None:
        return replace(reply, text=written, failure=Diagnosis("malformed", problem))
    said = "" if request.closes else reply.text
    return replace(reply, text=said or json.dumps(data, ensure_ascii=False), data=data)


def calls_tools(message: AIMessage, request: AnswerRequest) -> bool:
    """Whether the message calls tools that it was offered, rather than answering as a tool's arguments."""
    return request.closes and bool(request.prompt.tools and message.tool_calls)


def as_given(message: AIMessage, text: str) -> dict[str, Any]:
    """What a provider gave beside the text of an answer, as plain JSON: the content's blocks, and further fields.

    Blocks are kept only where they say what the answer says; a text that was cleaned stands alone.
    """
    given: dict[str, Any] = {}
    if isinstance(message.content, list) and visible_text(message.text).strip() == text.strip():
        given["content"] = message.content
    if beside := {name: one for name, one in message.additional_kwargs.items() if name not in TOLD_ELSEWHERE}:
        given["additional_kwargs"] = beside
    try:
        return cast("dict[str, Any]", json.loads(json.dumps(given)))
    except (TypeError, ValueError):
        return {}


def thoughts_in(message: AIMessage) -> str:
    """What a message tells of the reasoning before its answer: in a field of its own, in blocks, or in its text."""
    beside = message.additional_kwargs.get("reasoning_content")
    blocks = [block for block in message.content_blocks if block["type"] == "reasoning"]
    told = "".join(str(block.get("reasoning", "")) for block in blocks)
    return str(beside or told or hidden_text(message.text))
