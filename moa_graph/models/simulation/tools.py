"""Which tool a simulated model calls, and with what."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from moa_graph.models.simulation.conversation import Conversation, SimulatedRequest
from moa_graph.models.simulation.draws import Draws
from moa_graph.models.simulation.faults import SimulatedFault
from moa_graph.models.simulation.judgement import Judgement
from moa_graph.models.simulation.schema import object_for

__all__ = ["tool_call_for"]

ToolSchema = Mapping[str, Any]

_OPERATIONS: Mapping[str, frozenset[str]] = {
    "power": frozenset({"power", "pow", "**", "^", "exponent"}),
    "multiply": frozenset({"multiply", "times", "product", "multiplied", "*", "x", "×"}),
    "divide": frozenset({"divide", "divided", "quotient", "/", "÷"}),
    "add": frozenset({"add", "plus", "sum", "total", "added", "+"}),
    "subtract": frozenset({"subtract", "minus", "difference", "-", "−"}),
}
_ANY_OPERATION = frozenset({"calculator", "calculate", "calc", "evaluate", "compute", "math", "arithmetic"})
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.]*\d)")
_WORD_OR_SIGN = re.compile(r"[a-z]+|\*\*|[-+*/^×÷−]")


def tool_call_for(request: SimulatedRequest, judgement: Judgement) -> dict[str, Any] | None:
    """The tool call that answers ``request`` now, in OpenAI's format, or None for an answer in words.

    A tool that is forced by its name is called. Otherwise a tool is called whose name, a word of it or its operation
    stands in the question and that has given no result in this turn; where some tool must be called, any such one.

    Raises:
        SimulatedFault: 400, when the request forces a tool that it doesn't offer.
    """
    tools = [tool["function"] for tool in request.tools or () if "name" in tool.get("function", {})]
    choice = request.tool_choice or "auto"
    if not tools or choice == "none":
        return None
    conversation = judgement.conversation
    fitting = _fitting(tools, judgement)
    done = {result.tool for result in conversation.results}
    if isinstance(choice, Mapping):
        called = _named(choice, tools)
    elif choice == "required":
        called = next((tool for tool in (*fitting, *tools) if tool["name"] not in done), tools[0])
    elif waiting := [tool for tool in fitting if tool["name"] not in done]:
        called = waiting[0]
    else:
        return None
    is_verdict = bool(conversation.references) and called not in fitting  # a response format requested as a tool
    return _call(called, judgement, [] if is_verdict else _numbers(judgement))


def _named(choice: Mapping[str, Any], tools: Sequence[ToolSchema]) -> ToolSchema:
    chosen = choice.get("function")
    name = chosen.get("name") if isinstance(chosen, Mapping) else None
    for tool in tools:
        if tool["name"] == name:
            return tool
    raise SimulatedFault(
        400,
        f"Invalid value for 'tool_choice': the tool {name!r} is not among the tools.",
        param="tool_choice",
    )


def _name_words(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def _fitting(tools: Sequence[ToolSchema], judgement: Judgement) -> list[ToolSchema]:
    """The tools that suit the question, multiplications before additions, otherwise as offered."""
    problem = judgement.problem
    computed = problem is not None and problem.task == "arithmetic"
    said = set(_WORD_OR_SIGN.findall(judgement.conversation.question.lower()))
    if problem is not None and computed:
        said |= set(_WORD_OR_SIGN.findall(problem.question))
    ranked = []
    for tool in tools:
        words = _name_words(tool["name"])
        operations = [i for i, meant in enumerate(_OPERATIONS.values()) if words & meant]
        asked = any(_says(said, meant, computed) for meant in _OPERATIONS.values() if words & meant)
        named = any(len(word) > 2 and word in said for word in words)
        if named or asked or (computed and words & _ANY_OPERATION):
            ranked.append((min(operations, default=-1), tool))
    return [tool for _, tool in sorted(ranked, key=lambda pair: pair[0])]


def _says(said: set[str], meant: frozenset[str], computed: bool) -> bool:
    """Whether one of an operation's words was said; its signs count only in a sum."""
    return any(word in said for word in meant if computed or len(word) > 2)


def _call(tool: ToolSchema, judgement: Judgement, numbers: Sequence[float]) -> dict[str, Any]:
    arguments = json.dumps(object_for(tool.get("parameters") or {"type": "object"}, judgement, numbers))
    conversation = judgement.conversation
    number = Draws("call").uniform(tool["name"], arguments, conversation.question, len(conversation.results))
    return {
        "id": f"call_{int(number * 16**12):012x}",
        "type": "function",
        "function": {"name": tool["name"], "arguments": arguments},
    }


def _numbers(judgement: Judgement) -> list[float]:
    """Results so far, then the numbers of the question; each result stands for the two that went into it."""
    conversation: Conversation = judgement.conversation
    results = [_number(result.text) for result in conversation.results]
    known = [result for result in results if result is not None]
    asked = [float(found) for found in _NUMBER.findall(conversation.question)]
    left = asked[len(known) + 1 :] if known else asked
    numbers = [*known[-1:], *left]
    return [int(number) if float(number).is_integer() else number for number in numbers]


def _number(text: str) -> float | None:
    try:
        return float(text.strip())
    except ValueError:
        return None
