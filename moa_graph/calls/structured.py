"""Answers that must fit a schema: how they are asked for, and read."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage

from moa_graph.calls.form_ladder import Rung
from moa_graph.form import Form
from moa_graph.visible import visible_text

__all__ = ["instruction_for", "parameters_for", "read", "tool_parameters"]


def parameters_for(model: BaseChatModel, form: Form, rung: Rung, *, beside_tools: bool = False) -> dict[str, Any]:
    """What makes ``model`` answer in ``form``: a response format, or a tool that it must call.

    A model that knows neither is told the form in its prompt all the same: see :func:`instruction_for`.

    Args:
        model: The model that is asked.
        form: What its answer must fit.
        rung: In which way the model takes a form.
        beside_tools: Whether it may call tools as well, so that it can't be forced to call one for the form.
    """
    if rung == "schema":
        described = {"name": form.name, "schema": dict(form.schema), "strict": form.strict}
        return {"response_format": {"type": "json_schema", "json_schema": described}}
    if rung == "object":
        # llama.cpp, Together and Fireworks keep to a schema that stands here
        return {"response_format": {"type": "json_object", "schema": dict(form.schema)}}
    if rung == "words" or beside_tools:
        return {}
    function: dict[str, Any] = {"name": form.name, "description": "", "parameters": dict(form.schema)}
    tool = {"type": "function", "function": {**function, "strict": True} if form.strict else function}
    try:
        bound = model.bind_tools([tool], tool_choice=form.name)
    except NotImplementedError:
        return {}
    return dict(getattr(bound, "kwargs", {}))


def tool_parameters(
    model: BaseChatModel, tools: tuple[dict[str, Any], ...], settings: dict[str, Any]
) -> dict[str, Any]:
    """What puts ``tools`` at the hand of ``model``, in its provider's own words.

    Args:
        model: The model that is asked.
        tools: In OpenAI's form.
        settings: ``tool_choice`` and the like, as LangChain's ``bind_tools`` takes them.

    Raises:
        NotImplementedError: The model takes no tools.
    """
    return dict(getattr(model.bind_tools(list(tools), **settings), "kwargs", {}))


def instruction_for(form: Form, *, beside_tools: bool = False) -> str:
    """What a prompt says of the form."""
    when = "When you need no more tools, answer" if beside_tools else "Answer"
    schema = json.dumps(form.schema, ensure_ascii=False)
    return f"{when} with one JSON object that fits this JSON Schema, and nothing else:\n{schema}"


def read(message: AIMessage, form: Form) -> tuple[Any, str | None]:
    """The content of a structured answer as plain JSON, or what is wrong with it."""
    if message.tool_calls:
        return form.check(message.tool_calls[0]["args"])
    as_written = message.text.strip()
    if as_written.startswith("{"):  # what looks like a reasoning block in its strings is data
        with suppress(ValueError, RecursionError):
            content, problem = form.check(json.loads(as_written))
            if problem is None:
                return content, None
    try:
        return form.check(json.loads(_object_in(visible_text(as_written))))
    except (ValueError, RecursionError) as error:
        return None, f"no JSON object could be read: {error}"


def _object_in(text: str) -> str:
    """The outermost braces: some models put words or code fences around their JSON."""
    start, end = text.find("{"), text.rfind("}")
    return text[start : end + 1] if 0 <= start < end else text
