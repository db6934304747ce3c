"""Answers that must fit a schema: how they are asked for, and read."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage

from moa_graph.calls.format_ladder import Rung
from moa_graph.response_format import ResponseFormat
from moa_graph.visible import visible_text

__all__ = ["instruction_for", "parameters_for", "read", "tool_parameters"]


def parameters_for(
    model: BaseChatModel, response_format: ResponseFormat, rung: Rung, *, beside_tools: bool = False
) -> dict[str, Any]:
    """What makes ``model`` answer in ``response_format``: a response format, or a tool that it must call.

    A model that supports neither is told the response format in its prompt: see :func:`instruction_for`.

    Args:
        model: The model that is asked.
        response_format: What its answer must fit.
        rung: How the model is asked for a response format.
        beside_tools: Whether it may call tools as well, so it can't be forced to call one for the response format.
    """
    if rung == "schema":
        described = {
            "name": response_format.name,
            "schema": dict(response_format.schema),
            "strict": response_format.strict,
        }
        return {"response_format": {"type": "json_schema", "json_schema": described}}
    if rung == "object":
        # llama.cpp, Together and Fireworks keep to a schema that stands here
        return {"response_format": {"type": "json_object", "schema": dict(response_format.schema)}}
    if rung == "words" or beside_tools:
        return {}
    function: dict[str, Any] = {
        "name": response_format.name,
        "description": "",
        "parameters": dict(response_format.schema),
    }
    tool = {"type": "function", "function": {**function, "strict": True} if response_format.strict else function}
    try:
        bound = model.bind_tools([tool], tool_choice=response_format.name)
    except NotImplementedError:
        return {}
    return dict(getattr(bound, "kwargs", {}))


def tool_parameters(
    model: BaseChatModel, tools: tuple[dict[str, Any], ...], settings: dict[str, Any]
) -> dict[str, Any]:
    """What puts ``tools`` at the hand of ``model``, in its provider's own words.

    Args:
        model: The model that is asked.
        tools: In OpenAI's format.
        settings: ``tool_choice`` and the like, as LangChain's ``bind_tools`` takes them.

    Raises:
        NotImplementedError: The model takes no tools.
    """
    return dict(getattr(model.bind_tools(list(tools), **settings), "kwargs", {}))


def instruction_for(response_format: ResponseFormat, *, beside_tools: bool = False) -> str:
    """What a prompt says about the response format."""
    when = "When you need no more tools, answer" if beside_tools else "Answer"
    schema = json.dumps(response_format.schema, ensure_ascii=False)
    return f"{when} with one JSON object that fits this JSON Schema, and nothing else:\n{schema}"


def read(message: AIMessage, response_format: ResponseFormat) -> tuple[Any, str | None]:
    """The content of a structured answer as plain JSON, or what is wrong with it."""
    if message.tool_calls:
        return response_format.check(message.tool_calls[0]["args"])
    as_written = message.text.strip()
    if as_written.startswith("{"):  # what looks like a reasoning block in its strings is data
        with suppress(ValueError, RecursionError):
            content, problem = response_format.check(json.loads(as_written))
            if problem is None:
                return content, None
    try:
        return response_format.check(json.loads(_object_in(visible_text(as_written))))
    except (ValueError, RecursionError) as error:
        return None, f"no JSON object could be read: {error}"


def _object_in(text: str) -> str:
    """The outermost braces: some models put words or code fences around their JSON."""
    start, end = text.find("{"), text.rfind("}")
    return text[start : end + 1] if 0 <= start < end else text
