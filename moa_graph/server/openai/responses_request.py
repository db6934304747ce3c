"""``POST /v1/responses``: the body's fields, and what they ask for. Nothing is kept from one request to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from moa_graph.server.openai.asked import ModelRequest, Writing
from moa_graph.server.openai.bodies import Fields, read
from moa_graph.server.openai.errors import refused, within
from moa_graph.server.openai.responses_items import conversation_of
from moa_graph.server.openai.tools import Function, Tool, choose, function_tool

__all__ = ["ResponseAsked", "read_response"]

WITHOUT_EFFECT = frozenset(
    {
        "user", "metadata", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "client_metadata",
        "safety_identifier", "truncation", "max_tool_calls", "moderation", "context_management",
    }
)  # fmt: skip
"""About bookkeeping, caching and hosted tools, or done here by itself: prompts are fitted to every model's window."""

NEEDS_MEMORY = ("previous_response_id", "conversation", "prompt")
"""What refers to something that a server of this protocol may keep."""


class TextFormat(Fields):
    """Text, JSON, or JSON of a given schema."""

    type: Literal["text", "json_object", "json_schema"]
    name: str = Field(default="answer", pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    description: str | None = None
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    strict: bool | None = None


class Text(Fields):
    """How the answer's text shall be."""

    format: TextFormat | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class ReasoningOptions(Fields):
    """How long to think, and whether to tell of it in brief."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    summary: Literal["auto", "concise", "detailed", "none"] | None = None


class ResponsesStreamOptions(Fields):
    """What a stream holds beside the answer."""

    include_moa_live: bool | None = None


class ResponseBody(Fields):
    """The body, field by field as in OpenAI's reference."""

    model: str = Field(min_length=1)
    input: str | list[Any]
    instructions: str | None = None
    moa: dict[str, Any] | None = None
    stream: bool | None = None
    stream_options: ResponsesStreamOptions | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    include: list[str] | None = None
    text: Text | None = None
    reasoning: ReasoningOptions | None = None
    store: bool | None = None
    background: bool | None = None
    service_tier: str | None = None
    previous_response_id: str | None = None
    conversation: str | dict[str, Any] | None = None
    prompt: dict[str, Any] | None = None


@dataclass(frozen=True)
class ResponseAsked:
    """A request for a response.

    Args:
        asked: What it asks for.
        echo: The fields that the response repeats.
        summary: Whether the reasoning is told in brief as well.
    """

    asked: ModelRequest
    echo: Mapping[str, Any]
    summary: bool = False

    @property
    def choices(self) -> int:
        """The protocol has one answer per request."""
        return 1


def read_response(data: Mapping[str, Any]) -> ResponseAsked:
    """What a body asks for.

    Raises:
        ApiError: 400, naming the field that can't be honoured.
    """
    body = read(ResponseBody, data)
    _refuse_what_is_not_served(body)
    conversation = conversation_of(body.input, body.instructions)
    tools, left_out = _tools(body)
    text, reasoning = body.text or Text(), body.reasoning or ReasoningOptions()
    sampling = {"top_p": body.top_p, "verbosity": text.verbosity}
    sampling |= {"frequency_penalty": body.frequency_penalty, "presence_penalty": body.presence_penalty}
    offered, choice = choose(tools, body.tool_choice)
    asked = ModelRequest(
        model=body.model,
        messages=conversation.messages,
        writing=Writing(
            tools=offered,
            tool_choice=choice,
            parallel_tool_calls=body.parallel_tool_calls if offered else None,
            response_format=_response_format(text.format),
            max_tokens=body.max_output_tokens,
            temperature=body.temperature,
            reasoning_effort=reasoning.effort,
            sampling={name: value for name, value in sampling.items() if value is not None},
        ),
        options=body.moa or {},
        stream=bool(body.stream),
        live=bool(body.stream_options and body.stream_options.include_moa_live),
        left_out={**conversation.left_out, **left_out, **_unknown(data)},
    )
    return ResponseAsked(asked, _echo(data, body), reasoning.summary not in (None, "none"))


def _refuse_what_is_not_served(body: ResponseBody) -> None:
    for name in NEEDS_MEMORY:
        if getattr(body, name) is not None:
            raise refused(
                name, f"This server keeps nothing between requests: leave '{name}' out, and send the whole 'input'."
            )
    if body.background:
        raise refused("background", "Responses can't run in the background here: leave 'background' out.")
    if body.store:
        raise refused("store", "This server stores nothing: leave 'store' out, or set it to false.")
    if body.top_logprobs:
        raise refused("top_logprobs", "A mixture's answer has no log probabilities: leave 'top_logprobs' out.")
    if "message.output_text.logprobs" in (body.include or ()):
        raise refused("include", "A mixture's answer has no log probabilities: leave them out of 'include'.")
    if body.service_tier not in (None, "auto", "default"):
        raise refused("service_tier", "This server has a single service tier: leave 'service_tier' out.")


def _tools(body: ResponseBody) -> tuple[list[Tool], dict[str, str]]:
    """The functions that are offered, and the tools that only their own host could run."""
    tools: list[Tool] = []
    left_out: dict[str, str] = {}
    for index, tool in enumerate(body.tools or ()):
        where, kind = f"tools[{index}]", tool.get("type")
        if kind == "function":
            with within(where):
                tools.append(function_tool(read(Function, tool)))
        elif isinstance(kind, str):
            name = tool.get("name") or tool.get("server_label") or kind
            left_out[where] = f"{name}: tools of type {kind} aren't supported"
        else:
            raise refused(f"{where}.type", f"Missing required parameter: '{where}.type'.", "missing_required_parameter")
    return tools, left_out


def _response_format(wanted: TextFormat | None) -> dict[str, Any] | None:
    """The response format as chat completions write it."""
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return {"type": "json_object"}
    if wanted.schema_ is None:
        place = "text.format.schema"
        raise refused(place, f"Missing required parameter: '{place}'.", "missing_required_parameter")
    described = {"name": wanted.name, "schema": wanted.schema_, "strict": wanted.strict}
    return {"type": "json_schema", "json_schema": {name: one for name, one in described.items() if one is not None}}


def _unknown(data: Mapping[str, Any]) -> dict[str, str]:
    known = {*ResponseBody.model_fields, *WITHOUT_EFFECT}
    return {name: "unknown parameter" for name in data if name not in known}


def _echoed_tool(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """A function with every field that the protocol says it has."""
    if tool.get("type") != "function":
        return tool
    return {"description": None, "parameters": None, "strict": None, **tool}


def _echo(data: Mapping[str, Any], body: ResponseBody) -> dict[str, Any]:
    """What the response says of its request, in the protocol's own words for what was left out."""
    text, reasoning = body.text or Text(), body.reasoning or ReasoningOptions()
    wanted = text.format.model_dump(exclude_none=True, by_alias=True) if text.format else {"type": "text"}
    if wanted["type"] == "json_schema":
        wanted = {"description": None, "strict": False, **wanted}
    else:
        wanted = {"type": wanted["type"]}
    truncation = data.get("truncation")
    return {
        "instructions": body.instructions,
        "tools": [_echoed_tool(tool) for tool in body.tools or ()],
        "tool_choice": body.tool_choice or "auto",
        "parallel_tool_calls": True if body.parallel_tool_calls is None else body.parallel_tool_calls,
        "max_output_tokens": body.max_output_tokens,
        "max_tool_calls": data.get("max_tool_calls"),
        "temperature": 1.0 if body.temperature is None else body.temperature,
        "top_p": 1.0 if body.top_p is None else body.top_p,
        "frequency_penalty": body.frequency_penalty or 0.0,
        "presence_penalty": body.presence_penalty or 0.0,
        "top_logprobs": 0,
        "text": {"format": wanted, "verbosity": text.verbosity or "medium"},
        "reasoning": {"effort": reasoning.effort, "summary": reasoning.summary},
        "truncation": truncation if truncation in ("auto", "disabled") else "disabled",
        "metadata": data.get("metadata") if isinstance(data.get("metadata"), dict) else {},
        "user": data.get("user"),
        "safety_identifier": data.get("safety_identifier"),
        "prompt_cache_key": data.get("prompt_cache_key"),
        "previous_response_id": None,
        "store": False,
        "background": False,
        "service_tier": "default",
    }
