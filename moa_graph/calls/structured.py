"""Answers that must fit a schema: how they are asked for, and read."""

from __future__ import annotations

import json
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from pydantic import BaseModel, ValidationError

from moa_graph.views import visible_text

__all__ = ["instruction_for", "parameters_for", "read"]


def parameters_for(model: BaseChatModel, schema: type[BaseModel]) -> dict[str, Any]:
    """What makes ``model`` answer in the form of ``schema``: a response format, or a tool that it must call.

    A model that knows neither is told the form in its prompt all the same: see :func:`instruction_for`.
    """
    if _takes_response_format(model):
        form = {"name": schema.__name__, "schema": schema.model_json_schema(), "strict": False}
        return {"response_format": {"type": "json_schema", "json_schema": form}}
    try:
        bound = model.bind_tools([schema], tool_choice=schema.__name__)
    except NotImplementedError:
        return {}
    return dict(getattr(bound, "kwargs", {}))


def instruction_for(schema: type[BaseModel]) -> str:
    """What a prompt says of the form."""
    return f"Answer with one JSON object that fits this JSON Schema, and nothing else:\n{_schema_text(schema)}"


def read(message: AIMessage, schema: type[BaseModel]) -> tuple[dict[str, Any] | None, str | None]:
    """The content of a structured answer as plain JSON, or what is wrong with it."""
    if message.tool_calls:
        content: Any = message.tool_calls[0]["args"]
    else:
        try:
            content = json.loads(_object_in(visible_text(message.text)))
        except ValueError as error:
            return None, f"no JSON object could be read: {error}"
    try:
        return schema.model_validate(content).model_dump(mode="json"), None
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, one['loc'])) or 'object'}: {one['msg']}" for one in error.errors()]
        return None, "; ".join(problems)


def _object_in(text: str) -> str:
    """The outermost braces: some models put words or code fences around their JSON."""
    start, end = text.find("{"), text.rfind("}")
    return text[start : end + 1] if 0 <= start < end else text


def _schema_text(schema: type[BaseModel]) -> str:
    return json.dumps(schema.model_json_schema(), ensure_ascii=False)


def _takes_response_format(model: BaseChatModel) -> bool:
    names = {base.__name__ for base in type(model).__mro__}
    return bool(names & {"BaseChatOpenAI", "SimulatedChatModel"})
