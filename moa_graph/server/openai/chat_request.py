"""``POST /v1/chat/completions``: the body's fields, and what they ask for.

Every field that OpenAI's reference knows is honoured, refused by name, or passes without effect because it changes
nothing about an answer. A field that nobody knows is named in the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from moa_graph.server.openai.asked import ModelRequest, Writing
from moa_graph.server.openai.bodies import Fields, read
from moa_graph.server.openai.chat_messages import ChatMessage, conversation
from moa_graph.server.openai.errors import refused
from moa_graph.server.openai.tools import Function, Tool, choose, function_tool

__all__ = ["ChatAsked", "read_chat"]

SAMPLING = ("top_p", "seed", "frequency_penalty", "presence_penalty", "logit_bias", "verbosity")
"""Handed on to the model that writes the answer as they are."""

WITHOUT_EFFECT = frozenset(
    {
        "user", "metadata", "store", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options",
        "client_metadata", "safety_identifier", "prediction", "moderation",
    }
)  # fmt: skip
"""About bookkeeping, caching and speed: an answer is the same without them."""

NOT_HERE = {"web_search_options": "a mixture can't search the web: offer a tool that does"}


class ToolField(Fields):
    """A tool that is offered."""

    type: Literal["function"]
    function: Function


class JsonSchema(Fields):
    """A schema that the answer must fit."""

    name: str = Field(default="answer", pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    description: str | None = None
    schema_: dict[str, Any] = Field(default_factory=dict, alias="schema")
    strict: bool | None = None


class ResponseFormatField(Fields):
    """Text, JSON, or JSON of a given schema."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class ChatStreamOptions(Fields):
    """What a stream holds beside the answer."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None
    include_moa_live: bool | None = None


class ChatBody(Fields):
    """The body, field by field as in OpenAI's reference."""

    model: str = Field(min_length=1)
    messages: list[ChatMessage] = Field(min_length=1)
    moa: dict[str, Any] | None = None
    stream: bool | None = None
    stream_options: ChatStreamOptions | None = None
    n: int | None = Field(default=None, ge=1, le=128)
    max_tokens: int | None = Field(default=None, ge=0)
    max_completion_tokens: int | None = Field(default=None, ge=0)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    logit_bias: dict[str, float] | None = None
    seed: int | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    stop: str | list[str] | None = None
    response_format: ResponseFormatField | None = None
    tools: list[ToolField] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    functions: list[Function] | None = None
    function_call: Literal["none", "auto"] | dict[str, Any] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    modalities: list[Literal["text", "audio"]] | None = None
    audio: dict[str, Any] | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast"] | None = None


@dataclass(frozen=True)
class ChatAsked:
    """A request for chat completions.

    Args:
        asked: What it asks for.
        choices: How many answers it asks for.
        include_usage: Whether a stream ends with the usage.
        as_function_call: Whether a tool call is told in the old way, as ``function_call``.
    """

    asked: ModelRequest
    choices: int = 1
    include_usage: bool = False
    as_function_call: bool = False


def read_chat(data: Mapping[str, Any], most_choices: int = 1) -> ChatAsked:
    """What a body asks for.

    Args:
        data: The body.
        most_choices: The largest ``n`` that is served.

    Raises:
        ApiError: 400, naming the field that can't be honoured.
    """
    body = read(ChatBody, data)
    _refuse_what_is_not_served(body, most_choices)
    stream = body.stream_options or ChatStreamOptions()
    asked = ModelRequest(
        model=body.model,
        messages=conversation(body.messages),
        writing=_writing(body),
        options=body.moa or {},
        stream=bool(body.stream),
        live=bool(stream.include_moa_live),
        left_out=_left_out(data),
    )
    return ChatAsked(asked, body.n or 1, bool(stream.include_usage), bool(body.functions) and not body.tools)


def _refuse_what_is_not_served(body: ChatBody, most_choices: int) -> None:
    if body.logprobs:
        raise refused("logprobs", "A mixture's answer has no log probabilities: leave 'logprobs' out.")
    if body.top_logprobs:
        raise refused("top_logprobs", "A mixture's answer has no log probabilities: leave 'top_logprobs' out.")
    if "audio" in (body.modalities or ()):
        raise refused("modalities", "A mixture answers in text: leave 'audio' out of 'modalities'.")
    if body.service_tier not in (None, "auto", "default"):
        raise refused("service_tier", "This server has a single service tier: leave 'service_tier' out.")
    if (body.n or 1) > most_choices:
        what = "A mixture gives one answer per request" if most_choices == 1 else f"'n' is at most {most_choices} here"
        raise refused("n", f"{what}: send several requests instead. (A server may allow more with --most-choices.)")
    if body.stream and (body.n or 1) > 1:
        raise refused("n", "A stream holds one answer: leave 'n' out, or 'stream'.")


def _writing(body: ChatBody) -> Writing:
    tools, choice = choose(_tools(body), _choice(body))
    stop = [body.stop] if isinstance(body.stop, str) else body.stop or []
    if len(stop) > 4:
        raise refused("stop", "Invalid value for 'stop': at most 4 stop sequences are allowed.")
    return Writing(
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=body.parallel_tool_calls if tools else None,
        response_format=_response_format(body.response_format),
        stop=tuple(text for text in stop if text),
        max_tokens=body.max_tokens if body.max_completion_tokens is None else body.max_completion_tokens,
        temperature=body.temperature,
        reasoning_effort=body.reasoning_effort,
        sampling={name: value for name in SAMPLING if (value := getattr(body, name)) is not None},
    )


def _tools(body: ChatBody) -> list[Tool]:
    if body.tools:
        return [function_tool(tool.function) for tool in body.tools]
    return [function_tool(function) for function in body.functions or ()]


def _choice(body: ChatBody) -> str | Mapping[str, Any] | None:
    """The choice among tools, also where it is made in the old way."""
    if body.tools or body.function_call is None:
        return body.tool_choice
    if isinstance(body.function_call, str):
        return body.function_call
    return {"type": "function", **body.function_call}


def _response_format(wanted: ResponseFormatField | None) -> dict[str, Any] | None:
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_schema" and wanted.json_schema is None:
        raise refused(
            "response_format.json_schema",
            "Missing required parameter: 'response_format.json_schema'.",
            "missing_required_parameter",
        )
    return wanted.model_dump(exclude_none=True, by_alias=True)


def _left_out(data: Mapping[str, Any]) -> dict[str, str]:
    """What the body asks for that isn't done, and why."""
    known = {*ChatBody.model_fields, *WITHOUT_EFFECT, *NOT_HERE}
    left_out = {name: why for name, why in NOT_HERE.items() if data.get(name) is not None}
    return left_out | {name: "unknown parameter" for name in data if name not in known}
