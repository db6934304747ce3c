"""Answers in OpenAI's protocol, normalized to what it prescribes before LangChain reads them.

LangChain believes what a server sends: a count of tokens that is text, a role that isn't the assistant's or a tool
call without a name end in a Python error, and an answer that was paid for is lost. What is usable is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["encodable", "tidy_answer", "tidy_chunk", "tidy_count", "tidy_usage"]

MOST_TOKENS = 1_000_000_000
"""A count above this is no count."""


def encodable(payload: dict[str, Any]) -> dict[str, Any]:
    """A request that can be sent: half a pair of surrogates, which UTF-8 can't hold, becomes a question mark."""
    messages = payload["messages"]
    if all(map(_is_plain, messages)):
        return payload
    try:
        json.dumps(messages, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return {**payload, "messages": json.loads(json.dumps(messages, ensure_ascii=False).encode("utf-8", "replace"))}
    except (TypeError, ValueError):
        return payload  # for the SDK to judge
    return payload


def _is_plain(message: Any) -> bool:
    """Whether a message is ASCII text and nothing else, as most are."""
    content = message.get("content") if isinstance(message, dict) and message.keys() == {"role", "content"} else None
    return isinstance(content, str) and content.isascii()


def tidy_answer(answer: Any) -> Any:
    """A whole answer. What isn't one, LangChain complains about."""
    if not isinstance(answer, Mapping) or answer.get("error") or "choices" not in answer:
        return answer
    given = answer["choices"] if isinstance(answer["choices"], list) else []
    choices = [one for one in given if isinstance(one, Mapping) and isinstance(one.get("message"), Mapping)]
    if not choices:
        raise ValueError("no choice in the answer holds a message")
    tidied = [{**choice, "message": _message(choice["message"]), **_ending(choice)} for choice in choices]
    return {**answer, "choices": tidied, "usage": tidy_usage(answer.get("usage"))}


def tidy_chunk(chunk: Any) -> dict[str, Any]:
    """A piece of an answer that is streamed."""
    if not isinstance(chunk, Mapping):
        return {"choices": []}
    choices = chunk.get("choices")
    tidied = [
        {**choice, "delta": _delta(choice["delta"]), **_ending(choice)}
        for choice in (choices if isinstance(choices, list) else ())
        if isinstance(choice, Mapping) and isinstance(choice.get("delta"), Mapping)
    ]
    kept = {name: value for name, value in chunk.items() if name != "chunk" or isinstance(value, Mapping)}
    return {**kept, "choices": tidied, "usage": tidy_usage(chunk.get("usage"))}


def tidy_usage(usage: Any) -> dict[str, Any] | None:
    """The counts of tokens; None where those of the prompt or of the answer can't be read."""
    if not isinstance(usage, Mapping):
        return None
    read, written = tidy_count(usage.get("prompt_tokens")), tidy_count(usage.get("completion_tokens"))
    if read is None or written is None:
        return None
    details = {
        name: {key: count for key, value in usage[name].items() if (count := tidy_count(value)) is not None}
        for name in ("prompt_tokens_details", "completion_tokens_details")
        if isinstance(usage.get(name), Mapping)
    }
    total = tidy_count(usage.get("total_tokens"))
    total = max(total or 0, read + written)  # some count reasoning there alone
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": total, **details}


def tidy_count(value: Any) -> int | None:
    """A number of tokens, also where it comes as text; None where it is no such number."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value <= MOST_TOKENS else None  # neither nan nor infinity is


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    tidied = {**message, "role": "assistant", "content": _text(message.get("content"))}
    for name in ("id", "name"):
        if not isinstance(tidied.get(name), str):
            tidied.pop(name, None)
    calls = message.get("tool_calls")
    tidied["tool_calls"] = [one for one in map(_call, calls if isinstance(calls, list) else ()) if one is not None]
    if isinstance(function := tidied.pop("function_call", None), Mapping):
        # All else in it would be joined piece by piece, and pieces of different types can't be.
        named = {"name": function["name"]} if isinstance(function.get("name"), str) else {}
        tidied["function_call"] = {**named, "arguments": _arguments(function.get("arguments"))}
    if not isinstance(tidied.get("refusal"), str | None):
        tidied["refusal"] = json.dumps(tidied["refusal"], default=str)
    return tidied


def _delta(delta: Mapping[str, Any]) -> dict[str, Any]:
    tidied = _message(delta)
    calls = delta.get("tool_calls")
    tidied["tool_calls"] = [
        piece for piece in map(_piece_of_call, calls if isinstance(calls, list) else ()) if piece is not None
    ]
    return tidied


def _call(call: Any) -> dict[str, Any] | None:
    """A tool call; None where it names no tool."""
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        return None
    ident = call.get("id")
    return {
        "id": ident if isinstance(ident, str) else None,
        "type": "function",
        "function": {"name": function["name"], "arguments": _arguments(function.get("arguments")) or "{}"},
    }


def _piece_of_call(call: Any) -> dict[str, Any] | None:
    """A piece of a tool call; None where it can't be told which one it belongs to."""
    function = call.get("function") if isinstance(call, Mapping) else None
    index = tidy_count(call.get("index")) if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or index is None:
        return None
    name, ident = function.get("name"), call.get("id")
    return {
        "index": index,
        "id": ident if isinstance(ident, str) else None,
        "function": {
            "name": name if isinstance(name, str) else None,
            "arguments": _arguments(function.get("arguments")),
        },
    }


def _arguments(arguments: Any) -> str:
    if isinstance(arguments, str):
        return arguments
    return "" if arguments is None else json.dumps(arguments, default=str)


def _text(content: Any) -> str:
    """Content as text; servers also send it in parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(_text(part) for part in content)
    if isinstance(content, Mapping):
        return _text(content.get("text")) if not isinstance(content.get("text"), Mapping) else ""
    return ""


def _ending(choice: Mapping[str, Any]) -> dict[str, Any]:
    reason = choice.get("finish_reason")
    logprobs = choice.get("logprobs")
    return {
        "finish_reason": reason if isinstance(reason, str) else None,
        "logprobs": logprobs if isinstance(logprobs, Mapping) else None,
    }
