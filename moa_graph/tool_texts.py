"""Tool calls and their results as text, for models that are offered no tools.

Many providers refuse tool messages from a caller who offers no tools, and models of different providers don't read each
other's call identities. Results are untrusted text, so each stands between fence lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from moa_graph.views import appended, fence

__all__ = ["told_calls", "without_tool_messages"]

HEADING = "Since then the assistant has called tools. Each call and what came of it stands between fence lines:"

NO_RESULT = "(no result yet)"


def told_calls(calls: Iterable[Mapping[str, Any]]) -> str:
    """Tool calls as text, one a line."""
    return "\n".join(f"{call['name']}({json.dumps(call['args'], ensure_ascii=False)})" for call in calls)


def without_tool_messages(messages: Sequence[BaseMessage]) -> tuple[BaseMessage, ...]:
    """The conversation with every tool call and result told at the end of the user's message before it."""
    if not any(map(_is_about_tools, messages)):
        return tuple(messages)
    shown: list[BaseMessage] = []
    exchanges: list[str] = []
    results = {message.tool_call_id: message for message in messages if isinstance(message, ToolMessage)}
    called = {call["id"] for message in messages if isinstance(message, AIMessage) for call in message.tool_calls}
    for message in messages:
        if isinstance(message, ToolMessage) and message.tool_call_id not in called:
            exchanges.append(_result(message))  # whose call isn't in the conversation
        elif isinstance(message, AIMessage) and message.tool_calls:
            exchanges.extend(_exchanges(message, results))
        elif not isinstance(message, ToolMessage):
            _tell(exchanges, shown)
            shown.append(message)
    _tell(exchanges, shown)
    return tuple(shown)


def _is_about_tools(message: BaseMessage) -> bool:
    return isinstance(message, ToolMessage) or (isinstance(message, AIMessage) and bool(message.tool_calls))


def _exchanges(message: AIMessage, results: Mapping[str, ToolMessage]) -> list[str]:
    told = [f"{told_calls([call])}\n{_result(results.get(call['id'] or ''))}" for call in message.tool_calls]
    return [f"{message.text}\n{told[0]}", *told[1:]] if message.text else told


def _result(message: ToolMessage | None) -> str:
    if message is None:
        return NO_RESULT
    other = [block.get("type") for block in _blocks(message) if block.get("type") != "text"]
    text = "\n".join([message.text, *(f"({kind})" for kind in other)]).strip()
    return f"failed: {text}" if message.status == "error" else text


def _blocks(message: ToolMessage) -> list[dict[str, Any]]:
    content = message.content if isinstance(message.content, list) else []
    return [block for block in content if isinstance(block, dict)]


def _tell(exchanges: list[str], shown: list[BaseMessage]) -> None:
    """Moves the exchanges to the user's last message, or into one of their own where there is none."""
    if not exchanges:
        return
    text = f"{HEADING}\n\n{fence(exchanges, 'tool call')}"
    exchanges.clear()
    for index in range(len(shown) - 1, -1, -1):
        if isinstance(shown[index], HumanMessage):
            shown[index] = shown[index].model_copy(update={"content": appended(shown[index].content, text)})
            return
    shown.append(HumanMessage(text))
