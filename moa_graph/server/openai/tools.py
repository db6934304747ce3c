"""Tools as the two protocols offer them, and the one that the client chooses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from moa_graph.server.openai.bodies import Fields
from moa_graph.server.openai.errors import refused

__all__ = ["Function", "Tool", "choose", "function_tool"]

NAME = r"^[a-zA-Z0-9_-]{1,128}$"

Tool = dict[str, Any]
"""A function in the format of chat completions: ``{"type": "function", "function": {...}}``."""


class Function(Fields):
    """A function that may be called."""

    name: str = Field(pattern=NAME)
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


def function_tool(function: Function) -> Tool:
    """A function as LangChain takes it."""
    described: dict[str, Any] = {
        "name": function.name,
        "description": function.description or "",
        "parameters": function.parameters or {"type": "object", "properties": {}},
    }
    if function.strict is not None:
        described["strict"] = function.strict
    return {"type": "function", "function": described}


def choose(tools: Sequence[Tool], choice: str | Mapping[str, Any] | None) -> tuple[tuple[Tool, ...], str | None]:
    """The tools that are offered, and how one is chosen: ``auto``, ``required`` or a name.

    Args:
        tools: What the request offers.
        choice: Its ``tool_choice``, as either protocol writes it.

    Raises:
        ApiError: 400, it chooses what isn't offered.
    """
    if isinstance(choice, Mapping) and choice.get("type") == "allowed_tools":
        allowed = choice.get("allowed_tools") or choice
        names = [_name_in(tool) for tool in allowed.get("tools") or ()]
        for name in names:
            _check_offered(name, tools)
        tools = [tool for tool in tools if tool["function"]["name"] in names]
        choice = allowed.get("mode") or "auto"
    if choice == "none":
        return (), None
    if choice is None or choice == "auto":
        return tuple(tools), None
    if choice == "required":
        if not tools:
            raise refused("tool_choice", "'tool_choice' is 'required', and no tools are offered.")
        return tuple(tools), "required"
    if isinstance(choice, Mapping) and choice.get("type") == "function":
        name = _name_in(choice)
        _check_offered(name, tools)
        return tuple(tools), name
    raise refused(
        "tool_choice", "Invalid value for 'tool_choice': use 'none', 'auto', 'required' or a function's name."
    )


def _name_in(tool: Any) -> str:
    """The name in either protocol's way of naming a function."""
    if not isinstance(tool, Mapping):
        return ""
    within = tool.get("function")
    return str((within if isinstance(within, Mapping) else tool).get("name") or "")


def _check_offered(name: str, tools: Sequence[Tool]) -> None:
    if name not in [tool["function"]["name"] for tool in tools]:
        raise refused("tool_choice", f"Invalid value for 'tool_choice': no tool called '{name}' is offered.")
