"""Answers of chat completions as they are written: one whole body, or the chunks of a stream."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from langchain_core.messages import AIMessage
from langchain_core.messages.tool import ToolCallChunk

import moa_graph
from moa_graph.runs import Outcome
from moa_graph.server.openai.asked import Writing
from moa_graph.server.openai.errors import ApiError
from moa_graph.server.openai.panel import answer_of, panel_blocks, usage_of
from moa_graph.server.openai.sse import event

__all__ = ["ChatChunks", "chat_usage", "completion", "moa_of", "until_stop"]

FINGERPRINT = f"moa-graph-{moa_graph.__version__}"


def new_identity() -> str:
    """An identity for an answer."""
    return f"chatcmpl-{uuid.uuid4().hex}"


def completion(
    model: str,
    outcomes: Sequence[Outcome],
    left_out: Mapping[str, str],
    writing: Writing,
    *,
    old_calls: bool = False,
) -> bytes:
    """A whole answer.

    Args:
        model: The name that the client wrote.
        outcomes: What the runs gave, one for each choice.
        left_out: What was asked for and isn't done.
        writing: What was asked of the model that writes.
        old_calls: Whether a tool call is told as ``function_call``.
    """
    choices = [
        {
            "index": index,
            "message": _message(outcome, writing.stop, old_calls=old_calls),
            "logprobs": None,
            "finish_reason": finish_reason(outcome.message, old_calls=old_calls),
        }
        for index, outcome in enumerate(outcomes)
    ]
    told = [moa_of(outcome, left_out) for outcome in outcomes]
    data = {
        "id": new_identity(),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": choices,
        "usage": chat_usage(outcomes, writing.max_tokens),
        "service_tier": "default",
        "system_fingerprint": FINGERPRINT,
        "moa": told[0] if len(told) == 1 else {"runs": told},
    }
    return orjson.dumps(data)


def _message(outcome: Outcome, stop: Sequence[str], *, old_calls: bool) -> dict[str, Any]:
    answer = outcome.message
    message: dict[str, Any] = {
        "role": "assistant",
        "content": until_stop(stop, answer.text) or (None if answer.tool_calls else ""),
        "refusal": None,
        "annotations": [],
    }
    if blocks := panel_blocks(outcome.records, answer_of(outcome)):
        message["reasoning_content"] = message["reasoning"] = "".join(blocks)
    calls = [_function(call["name"], json.dumps(call["args"], ensure_ascii=False)) for call in answer.tool_calls]
    if calls and old_calls:
        message["function_call"] = calls[0]
    elif calls:
        message["tool_calls"] = [
            {"id": call["id"], "type": "function", "function": function}
            for call, function in zip(answer.tool_calls, calls, strict=True)
        ]
    return message


def _function(name: str, arguments: str) -> dict[str, str]:
    return {"name": name, "arguments": arguments}


def finish_reason(message: AIMessage, *, old_calls: bool = False) -> str:
    """Why an answer ended, in OpenAI's words."""
    reason = str(message.response_metadata.get("finish_reason", "stop"))
    return "function_call" if old_calls and reason == "tool_calls" else reason


def chat_usage(outcomes: Sequence[Outcome], cap: int | None) -> dict[str, Any]:
    """Tokens of the answers; what the panel wrote beside them counts as reasoning. ``cap`` is ``max_tokens``."""
    used = [usage_of(outcome, cap) for outcome in outcomes]
    prompt, written = sum(one["input"] for one in used), sum(one["output"] for one in used)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": written,
        "total_tokens": prompt + written,
        "prompt_tokens_details": {"cached_tokens": sum(one["cached"] for one in used), "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": sum(one["panel"] for one in used),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def moa_of(outcome: Outcome, left_out: Mapping[str, str]) -> dict[str, Any]:
    """What a client that knows mixtures is told: the report, with its dollars, and what was left out."""
    report = {**outcome.report, "left_out": dict(left_out)}
    return {"cost": report["cost"], "known_cost": report["known_cost"], "report": report}


def until_stop(stop: Sequence[str], text: str) -> str:
    """An answer as far as the first text that ends it, whoever wrote it."""
    ends = [text.find(end) for end in stop if end and end in text]
    return text[: min(ends)] if ends else text


class ChatChunks:
    """The chunks of one streamed answer, each as the bytes of its event.

    What every chunk begins and ends with is written once: a token costs no more than the writing of its text.

    Args:
        model: The name that the client wrote.
        left_out: What was asked for and isn't done.
        most_tokens: ``max_tokens`` of the request.
        with_usage: Whether the usage comes last, so that every chunk before it says that it has none.
        old_calls: Whether a tool call is told as ``function_call``.
    """

    def __init__(
        self,
        model: str,
        left_out: Mapping[str, str],
        most_tokens: int | None = None,
        *,
        with_usage: bool = False,
        old_calls: bool = False,
    ) -> None:
        head = {
            "id": new_identity(),
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": model,
            "service_tier": "default",
            "system_fingerprint": FINGERPRINT,
        }
        self.head = head | ({"usage": None} if with_usage else {})
        self._left_out = left_out
        self._most_tokens = most_tokens
        self._with_usage = with_usage
        self._old_calls = old_calls
        self._before = b"data: " + orjson.dumps(self.head)[:-1] + b',"choices":[{"index":0,"delta":'
        self._after = b',"logprobs":null,"finish_reason":null}]}\n\n'
        self._after_with_event = b',"logprobs":null,"finish_reason":null}],"moa":'

    def begin(self) -> bytes:
        """The first chunk: somebody answers."""
        return self._before + b'{"role":"assistant","content":"","refusal":null}' + self._after

    def text(self, text: str) -> bytes:
        """A piece of the answer."""
        return self._before + b'{"content":' + orjson.dumps(text) + b"}" + self._after

    def told(self, told: Mapping[str, Any], reasoning: str = "") -> bytes:
        """An event of the run, with what it adds to the reasoning."""
        delta = b"{}"
        if reasoning:
            written = orjson.dumps(reasoning)
            delta = b'{"reasoning_content":' + written + b',"reasoning":' + written + b"}"
        return self._before + delta + self._after_with_event + orjson.dumps(told) + b"}\n\n"

    def call(self, index: int, piece: ToolCallChunk, identity: str | None) -> bytes:
        """A piece of a tool call; its first one bears its identity and name."""
        function = {"arguments": piece["args"] or ""}
        if identity is not None:
            function = _function(piece["name"] or "", piece["args"] or "")
        if self._old_calls:
            delta: dict[str, Any] = {"function_call": function}
        else:
            begun = {"id": identity, "type": "function"} if identity is not None else {}
            delta = {"tool_calls": [{"index": index, **begun, "function": function}]}
        return self._before + orjson.dumps(delta) + self._after

    def end(self, outcome: Outcome) -> bytes:
        """The last chunk of the answer, with the report; then the usage, in a chunk without choices."""
        reason = finish_reason(outcome.message, old_calls=self._old_calls)
        choice = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": reason}
        last = event({**self.head, "choices": [choice], "moa": moa_of(outcome, self._left_out)})
        if not self._with_usage:
            return last
        return last + event({**self.head, "choices": [], "usage": chat_usage([outcome], self._most_tokens)})

    def failed(self, error: ApiError) -> bytes:
        """What a stream ends with that fails in the middle: no ``[DONE]`` follows it."""
        return event({"error": error.to_data()})
