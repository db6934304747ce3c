"""A simulated model's answer as a pure function of its profile and the request."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from moa_graph.models.simulation.conversation import (
    Conversation,
    SimulatedRequest,
    WireMessage,
    read_conversation,
    text_of,
)
from moa_graph.models.simulation.draws import Draws
from moa_graph.models.simulation.faults import SimulatedFault
from moa_graph.models.simulation.judgement import Judgement
from moa_graph.models.simulation.profile import Profile, profile_named
from moa_graph.models.simulation.prose import CHARACTERS_A_TOKEN
from moa_graph.models.simulation.schema import object_for
from moa_graph.models.simulation.tools import tool_call_for

__all__ = ["Completion", "complete", "count_tokens", "example_of", "prompt_tokens"]


_ANY_OBJECT = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
_JUDGED_OBJECT = {
    "type": "object",
    "properties": {
        "answer": {"type": "string"},
        "best": {"type": "integer", "minimum": 1},
        "ranking": {"type": "array", "items": {"type": "integer"}},
        "scores": {"type": "array", "items": {"type": "number"}},
        "reasoning": {"type": "string"},
    },
}


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer.

    Attributes:
        content: The text; None with tool calls or a refusal.
        tool_calls: In OpenAI's format.
        refusal: What the model says instead of answering.
        finish_reason: ``stop``, ``length`` or ``tool_calls``.
        prompt_tokens, completion_tokens: As :func:`count_tokens` counts.
    """

    content: str | None
    prompt_tokens: int
    completion_tokens: int = 0
    tool_calls: tuple[dict[str, Any], ...] = ()
    refusal: str | None = None
    finish_reason: str = "stop"


def count_tokens(*texts: str) -> int:
    """Tokens as simulated models count them: a quarter of the characters, rounded up."""
    return -(-sum(map(len, texts)) // CHARACTERS_A_TOKEN)


def prompt_tokens(request: SimulatedRequest) -> int:
    """Tokens of everything that a request makes the model read."""
    texts = [text for message in request.messages for text in _texts(message)]
    if request.tools:
        texts.append(json.dumps(request.tools))
    return count_tokens(*texts)


def _texts(message: WireMessage) -> Sequence[str]:
    calls = message.get("tool_calls")
    text = text_of(message.get("content"))
    return (text, json.dumps(calls)) if calls else (text,)


def complete(profile: Profile, request: SimulatedRequest, sample: int = 0) -> Completion:
    """What ``profile`` answers to ``request``; the same for the same arguments, whatever was asked before.

    Args:
        profile: Who answers.
        request: What is asked. Its ``seed`` varies the draws.
        sample: Number of the answer, from 0; varies the draws as well.

    Raises:
        SimulatedFault: 400, when prompt and answer pass the profile's window, or the request can't be met.
    """
    tokens = prompt_tokens(request)
    _check_window(profile, request, tokens)
    judgement = Judgement(profile, read_conversation(request.messages), request.draws(profile.seed, sample))
    call = tool_call_for(request, judgement)
    if call is not None:
        function = call["function"]
        spent = count_tokens(function["name"], function["arguments"])
        return Completion(None, tokens, spent, tool_calls=(call,), finish_reason="tool_calls")
    return _limited(Completion(_stopped(_content(request, judgement), request.stops), tokens), request.token_limit)


def example_of(schema: Mapping[str, Any]) -> Any:
    """A value that a JSON schema accepts, the same for the same schema.

    Raises:
        SimulatedFault: 400, when the schema asks for what can't be made up, such as an unusual pattern.
    """
    return object_for(dict(schema), Judgement(profile_named("example"), Conversation("?"), Draws("example")))


def _limited(completion: Completion, limit: int | None) -> Completion:
    """``completion`` with its tokens counted, in at most ``limit`` of them."""
    content = completion.content or ""
    if limit is None or count_tokens(content) <= limit:
        return replace(completion, completion_tokens=count_tokens(content))
    content = content[: limit * CHARACTERS_A_TOKEN]
    return replace(completion, content=content, completion_tokens=limit, finish_reason="length")


def _check_window(profile: Profile, request: SimulatedRequest, tokens: int) -> None:
    reserved = request.token_limit or 0
    if tokens + reserved <= profile.window:
        return
    asked = f"{tokens} in the messages" + (f", {reserved} in the completion" if reserved else "")
    raise SimulatedFault(
        400,
        f"This model's maximum context length is {profile.window} tokens. However, you requested "
        f"{tokens + reserved} tokens ({asked}). Please reduce the length of the messages or completion.",
        code="context_length_exceeded",
        param="messages",
    )


def _content(request: SimulatedRequest, judgement: Judgement) -> str:
    schema = _schema_of(request, judgement)
    if schema is not None:
        return json.dumps(object_for(schema, judgement), ensure_ascii=False)
    results = judgement.conversation.results
    if results:
        return f"The tool {results[-1].tool} gave {results[-1].text}.\n\nAnswer: {results[-1].text}"
    return judgement.text


def _schema_of(request: SimulatedRequest, judgement: Judgement) -> dict[str, Any] | None:
    response_format = request.response_format or {}
    match response_format.get("type", "text"):
        case "text":
            return None
        case "json_object":
            return _JUDGED_OBJECT if judgement.conversation.references else _ANY_OBJECT
        case "json_schema" if isinstance(response_format.get("json_schema"), dict):
            schema = response_format["json_schema"].get("schema")
            if isinstance(schema, dict):
                return schema
    raise SimulatedFault(
        400,
        "Invalid value for 'response_format': use {'type': 'text'}, {'type': 'json_object'} or "
        "{'type': 'json_schema', 'json_schema': {'name': ..., 'schema': {...}}}.",
        param="response_format",
    )


def _stopped(text: str, stops: Sequence[str]) -> str:
    """``text`` up to the first stop sequence in it."""
    ends = [text.find(stop) for stop in stops if stop]
    return text[: min((end for end in ends if end >= 0), default=len(text))]
