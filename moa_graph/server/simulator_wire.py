"""OpenAI's chat completions on the wire: requests read, answers, chunks and errors written."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import orjson
from pydantic import ValidationError

from moa_graph.models.simulation import (
    Completion,
    Fault,
    Performance,
    SimulatedFault,
    SimulatedRequest,
    pieces_of,
)
from moa_graph.models.simulation.faults import NoEndFault, RoleFault, UsageFault

__all__ = ["DONE", "TimedChunk", "answer_body", "error_body", "events_of", "read_request", "usage_of"]

DONE = b"data: [DONE]\n\n"

TimedChunk = tuple[float, str, bytes]
"""A server-sent event: seconds to wait before it, the piece of the answer in it, its bytes."""


def read_request(body: bytes) -> SimulatedRequest:
    """The request in ``body``.

    Raises:
        SimulatedFault: 400, when it is none, in the words of OpenAI's own checks.
    """
    try:
        request = SimulatedRequest.model_validate_json(body)
    except ValidationError as error:
        raise _invalid(error) from None
    if request.logprobs or request.top_logprobs:
        message = "You are not allowed to request logprobs from this model."
        raise SimulatedFault(400, message, param="logprobs")
    return request


def _invalid(error: ValidationError) -> SimulatedFault:
    problem = error.errors(include_url=False)[0]
    where = ".".join(map(str, problem["loc"]))
    if problem["type"] == "json_invalid":
        return SimulatedFault(400, "We could not parse the JSON body of your request.")
    if problem["type"] == "missing":
        return SimulatedFault(
            400, f"Missing required parameter: '{where}'.", code="missing_required_parameter", param=where
        )
    message = f"Invalid value for '{where}': {problem['msg']}."
    return SimulatedFault(400, message, code="invalid_value", param=where)


def error_body(error: SimulatedFault) -> bytes:
    """An error answer's body."""
    return orjson.dumps({"error": error.body})


def usage_of(performance: Performance) -> dict[str, int]:
    """Tokens of a whole answer; the prompt counts once, whatever ``n`` is."""
    prompt = performance.completions[0].prompt_tokens
    spent = sum(completion.completion_tokens for completion in performance.completions)
    return {"prompt_tokens": prompt, "completion_tokens": spent, "total_tokens": prompt + spent}


def answer_body(performance: Performance, model: str, number: int) -> bytes:
    """The body of an answer that isn't streamed."""
    choices = [
        {
            "index": index,
            "message": _message(completion),
            "logprobs": None,
            "finish_reason": completion.finish_reason,
        }
        for index, completion in enumerate(performance.completions)
    ]
    head = _head("chat.completion", model, number)
    body = {**head, "choices": choices, "usage": usage_of(performance)}
    return orjson.dumps(_as_the_fault_has_it(body, performance.fault))


def _as_the_fault_has_it(body: dict[str, Any], fault: Fault | None) -> dict[str, Any]:
    """A body, or a chunk of a stream, with what is wrong on the wire."""
    choices = body["choices"]
    match fault:
        case UsageFault(tells=tells) if body.get("usage") is not None:
            return {**body, "usage": tells}
        case RoleFault(role=role):
            part = "message" if choices and "message" in choices[0] else "delta"
            return {**body, "choices": [{**one, part: {**one[part], "role": role}} for one in choices]}
        case NoEndFault():
            return {**body, "choices": [{**one, "finish_reason": None} for one in choices]}
    return body


def _head(kind: str, model: str, number: int) -> dict[str, Any]:
    return {"id": f"chatcmpl-simulated-{number}", "object": kind, "created": int(time.time()), "model": model}


def _message(completion: Completion) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": completion.content, "refusal": completion.refusal}
    if completion.tool_calls:
        message["tool_calls"] = list(completion.tool_calls)
    return message


def events_of(performance: Performance, request: SimulatedRequest, number: int) -> Iterator[TimedChunk]:
    """The events of a streamed answer but for the last, ``[DONE]``."""
    head = _head("chat.completion.chunk", request.model, number)
    with_usage = bool((request.stream_options or {}).get("include_usage"))
    if with_usage:
        head["usage"] = None
    wait = performance.first_token
    for index, completion in enumerate(performance.completions):
        for delta in _deltas(completion):
            piece = delta.get("content") or ""
            tokens_wait = performance.seconds_for(piece) if piece else 0.0
            yield wait + tokens_wait, piece, _event(head, index, delta, None, performance.fault)
            wait = 0.0
        yield 0.0, "", _event(head, index, {}, completion.finish_reason, performance.fault)
    if with_usage:
        last = {**head, "choices": [], "usage": usage_of(performance)}
        yield 0.0, "", _data(_as_the_fault_has_it(last, performance.fault))


def _deltas(completion: Completion) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": "", "refusal": None}
    if completion.refusal is not None:
        yield {"refusal": completion.refusal}
    for piece in pieces_of(completion.content or ""):
        yield {"content": piece}
    for index, call in enumerate(completion.tool_calls):
        yield {"tool_calls": [{"index": index, **call}]}


def _event(
    head: dict[str, Any], index: int, delta: dict[str, Any], finish_reason: str | None, fault: Fault | None
) -> bytes:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return _data(_as_the_fault_has_it({**head, "choices": [choice]}, fault))


def _data(chunk: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(chunk) + b"\n\n"
