"""Responses as they are written: the resource, its output items, and the events of a stream."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from moa_graph.runs import Outcome
from moa_graph.server.openai.chat_answer import moa_of
from moa_graph.server.openai.panel import answer_of, panel_blocks, usage_of

__all__ = ["Resource", "call_item", "message_item", "reasoning_item", "whole_output"]

BRIEF = 200
"""Characters of a proposal that a summary holds."""


def new_identity(prefix: str) -> str:
    """An identity as the protocol's own look."""
    return f"{prefix}_{uuid.uuid4().hex}"


def reasoning_item(identity: str, blocks: Sequence[str], *, summary: bool, status: str = "completed") -> dict[str, Any]:
    """What the panel said."""
    return {
        "type": "reasoning",
        "id": identity,
        "summary": [{"type": "summary_text", "text": brief(block)} for block in blocks] if summary else [],
        "content": [reasoning_part(block) for block in blocks],
        "status": status,
    }


def reasoning_part(block: str) -> dict[str, Any]:
    """One proposal."""
    return {"type": "reasoning_text", "text": block}


def brief(block: str) -> str:
    """The beginning of a proposal."""
    text = " ".join(block.split())
    return text if len(text) <= BRIEF else f"{text[:BRIEF]}…"


def message_item(identity: str, text: str | None, status: str = "completed") -> dict[str, Any]:
    """The answer's text; None before it begins."""
    content = [] if text is None else [text_part(text)]
    return {"type": "message", "id": identity, "status": status, "role": "assistant", "content": content}


def text_part(text: str) -> dict[str, Any]:
    """The answer's text as a part of its message."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def call_item(identity: str, call_id: str, name: str, arguments: str, status: str = "completed") -> dict[str, Any]:
    """A tool call."""
    item = {"type": "function_call", "id": identity, "call_id": call_id, "name": name, "arguments": arguments}
    return {**item, "status": status}


def whole_output(outcome: Outcome, *, summary: bool) -> list[dict[str, Any]]:
    """All output items of a run that nobody read along with."""
    status = _status(outcome)
    output = []
    if blocks := panel_blocks(outcome.records, answer_of(outcome)):
        output.append(reasoning_item(new_identity("rs"), blocks, summary=summary))
    if outcome.answer or not outcome.message.tool_calls:
        output.append(message_item(new_identity("msg"), outcome.answer, status))
    for call in outcome.message.tool_calls:
        arguments = json.dumps(call["args"], ensure_ascii=False)
        output.append(call_item(new_identity("fc"), call["id"] or new_identity("call"), call["name"], arguments))
    return output


def _status(outcome: Outcome) -> str:
    return "incomplete" if outcome.message.response_metadata.get("finish_reason") == "length" else "completed"


def _usage(outcome: Outcome, cap: int | None) -> dict[str, Any]:
    used = usage_of(outcome, cap)
    return {
        "input_tokens": used["input"],
        "input_tokens_details": {"cached_tokens": used["cached"]},
        "output_tokens": used["output"],
        "output_tokens_details": {"reasoning_tokens": used["panel"]},
        "total_tokens": used["input"] + used["output"],
    }


class Resource:
    """One response, from its beginning to its end.

    Args:
        model: The name that the client wrote.
        echo: The fields of the request that it repeats.
    """

    def __init__(self, model: str, echo: Mapping[str, Any]) -> None:
        self._base = {
            "id": new_identity("resp"),
            "object": "response",
            "created_at": int(time.time()),
            "model": model,
            **echo,
        }

    def begun(self) -> dict[str, Any]:
        """Before anything is known of the answer."""
        return self._with("in_progress", [])

    def ended(
        self, outcome: Outcome, output: Sequence[Mapping[str, Any]], left_out: Mapping[str, str]
    ) -> dict[str, Any]:
        """With the answer."""
        status = _status(outcome)
        details = {"reason": "max_output_tokens"} if status == "incomplete" else None
        data = self._with(
            status, output, incomplete_details=details, usage=_usage(outcome, self._base.get("max_output_tokens"))
        )
        return {**data, "moa": moa_of(outcome, left_out)}

    def failed(self, error: Mapping[str, Any], output: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Without an answer, though something of it may have been streamed."""
        told = {"code": error.get("code") or "server_error", "message": error["message"]}
        return self._with("failed", output, error=told)

    def body(self, outcome: Outcome, left_out: Mapping[str, str], *, summary: bool) -> bytes:
        """The whole body of an answer that isn't streamed."""
        return orjson.dumps(self.ended(outcome, whole_output(outcome, summary=summary), left_out))

    def _with(
        self,
        status: str,
        output: Sequence[Mapping[str, Any]],
        *,
        error: Mapping[str, Any] | None = None,
        incomplete_details: Mapping[str, Any] | None = None,
        usage: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        return {
            **self._base,
            "status": status,
            "completed_at": int(time.time()) if status == "completed" else None,
            "error": error,
            "incomplete_details": incomplete_details,
            "output": list(output),
            "usage": usage,
        }
