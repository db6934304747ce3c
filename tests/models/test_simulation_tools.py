from __future__ import annotations

import json
from typing import Any

import pytest

from moa_graph.models.simulation import SimulatedFault, SimulatedRequest
from tests.models.simulation_requests import QUESTION, answer_to, request


def tool(name: str, **fields: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": fields, "required": list(fields)}
    return {"type": "function", "function": {"name": name, "description": name, "parameters": parameters}}


WHOLE = {"type": "integer"}
CALCULATOR = [tool("add", a=WHOLE, b=WHOLE), tool("multiply", a=WHOLE, b=WHOLE)]
WEATHER = tool("get_weather", city={"type": "string"})


def called(asked: SimulatedRequest) -> tuple[str, Any]:
    (call,) = answer_to(asked).tool_calls
    return call["function"]["name"], json.loads(call["function"]["arguments"])


def test_a_sum_is_worked_out_tool_by_tool_and_ends_with_the_last_result() -> None:
    messages: list[dict[str, Any]] = [{"role": "user", "content": QUESTION}]
    for name, arguments, result in [("multiply", {"a": 17, "b": 24}, "408"), ("add", {"a": 408, "b": 3}, "411")]:
        asked = SimulatedRequest.model_validate({"model": "tester", "messages": messages, "tools": CALCULATOR})
        assert called(asked) == (name, arguments)
        calls = list(answer_to(asked).tool_calls)
        messages.append({"role": "assistant", "content": None, "tool_calls": calls})
        messages.append({"role": "tool", "tool_call_id": calls[0]["id"], "content": result})
    done = answer_to(SimulatedRequest.model_validate({"model": "tester", "messages": messages, "tools": CALCULATOR}))
    assert done.tool_calls == ()
    assert (done.content or "").endswith("Answer: 411")


def test_a_new_turn_calls_the_tool_again() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "multiply", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "What is 2 * 3?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "6"},
        {"role": "assistant", "content": "Answer: 6"},
        {"role": "user", "content": "What is 4 times 5?"},
    ]
    asked = SimulatedRequest.model_validate({"model": "tester", "messages": messages, "tools": CALCULATOR})
    assert called(asked) == ("multiply", {"a": 4, "b": 5})


def test_a_word_of_the_name_calls_a_tool_with_a_name_from_the_question() -> None:
    asked = request("What is the weather in Lisbon today?", tools=[WEATHER, *CALCULATOR])
    assert called(asked) == ("get_weather", {"city": "Lisbon"})


def test_no_tool_is_called_that_does_not_fit() -> None:
    answer = answer_to(request("Tell me a well-known tale", tools=[WEATHER, *CALCULATOR]))
    assert answer.tool_calls == ()
    assert answer.finish_reason == "stop"


def test_tool_choice_is_honoured() -> None:
    named = {"type": "function", "function": {"name": "get_weather"}}
    tools = [WEATHER, *CALCULATOR]
    assert called(request(tools=tools, tool_choice=named))[0] == "get_weather"
    assert called(request("Hello", tools=tools, tool_choice="required"))[0] == "get_weather"
    assert called(request(tools=tools, tool_choice="required"))[0] == "multiply"
    assert answer_to(request(tools=tools, tool_choice="none")).tool_calls == ()


def test_where_some_tool_must_be_called_it_is_one_without_a_result() -> None:
    first = answer_to(request(tools=CALCULATOR, tool_choice="required")).tool_calls
    messages = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": None, "tool_calls": list(first)},
        {"role": "tool", "tool_call_id": first[0]["id"], "content": "408"},
    ]
    asked = SimulatedRequest.model_validate(
        {"model": "tester", "messages": messages, "tools": CALCULATOR, "tool_choice": "required"}
    )
    assert (first[0]["function"]["name"], called(asked)[0]) == ("multiply", "add")


def test_a_tool_that_is_not_offered_cannot_be_forced() -> None:
    named = {"type": "function", "function": {"name": "fly"}}
    with pytest.raises(SimulatedFault, match="'fly'"):
        answer_to(request(tools=CALCULATOR, tool_choice=named))


def test_calls_are_repeatable_and_counted() -> None:
    one, other = (answer_to(request(tools=CALCULATOR)) for _ in range(2))
    assert one == other
    assert one.finish_reason == "tool_calls"
    assert one.completion_tokens > 0
