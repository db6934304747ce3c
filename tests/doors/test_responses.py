"""The Responses protocol: whole and streamed, without memory."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from openai import OpenAI

QUESTION = "What is 17 * 24 + 3?"
ANSWER = "Answer: 411"

TOOL = {
    "type": "function",
    "name": "multiply",
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
}


def asked(**fields: Any) -> dict[str, Any]:
    return {"model": "panel", "input": QUESTION, **fields}


def test_a_whole_response(openai_client: OpenAI) -> None:
    response = openai_client.responses.create(**asked())
    assert response.output_text.endswith(ANSWER)
    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert (response.status, response.model_extra["moa"]["report"]["calls"]) == ("completed", 3)
    assert response.usage is not None
    assert 0 < response.usage.output_tokens_details.reasoning_tokens < response.usage.output_tokens


def test_the_events_of_a_stream_follow_each_other_and_make_the_response(openai_client: OpenAI) -> None:
    events = list(openai_client.responses.create(**asked(stream=True)))
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta").endswith(ANSWER)
    done = [event.item.model_dump() for event in events if event.type == "response.output_item.done"]
    assert done == [item.model_dump() for item in events[-1].response.output]
    assert [len(item["content"]) for item in done] == [2, 1]


def test_a_summary_is_told_where_it_is_asked_for(openai_client: OpenAI) -> None:
    response = openai_client.responses.create(**asked(reasoning={"summary": "auto"}))
    assert len(response.output[0].summary) == 2


def test_a_loop_of_tool_calls_asks_the_panel_once(client: httpx.Client) -> None:
    items: list[Any] = [{"role": "user", "content": "What is 18 * 24?"}]

    def ask() -> dict[str, Any]:
        body = {"model": "panel", "input": items, "tools": [TOOL]}
        answer: dict[str, Any] = client.post("/v1/responses", json=body).json()
        items.extend(answer["output"])
        return answer

    assert ask()["moa"]["report"]["calls"] == 3
    call = items[-1]
    assert (call["type"], json.loads(call["arguments"])) == ("function_call", {"a": 18, "b": 24})
    items.append({"type": "function_call_output", "call_id": call["call_id"], "output": "432"})
    second = ask()
    assert second["moa"]["report"]["calls"] == 1
    assert "432" in second["output"][-1]["content"][0]["text"]


def test_a_streamed_tool_call(openai_client: OpenAI) -> None:
    events = list(openai_client.responses.create(**asked(tools=[TOOL], stream=True)))
    pieces = "".join(e.delta for e in events if e.type == "response.function_call_arguments.delta")
    assert json.loads(pieces) == {"a": 17, "b": 24}
    assert events[-1].response.output[-1].type == "function_call"


def test_an_answer_has_the_form_that_is_asked_for(openai_client: OpenAI) -> None:
    schema = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}
    form = {"format": {"type": "json_schema", "name": "sum", "schema": schema}}
    assert json.loads(openai_client.responses.create(**asked(text=form)).output_text) == {"answer": 411}


def test_tools_that_only_their_host_can_run_are_left_out_and_named(client: httpx.Client) -> None:
    tools = [{"type": "web_search"}, {"type": "mcp", "server_label": "docs"}, {"type": "custom", "name": "patch"}, TOOL]
    report = client.post("/v1/responses", json=asked(tools=tools)).json()["moa"]["report"]
    assert list(report["left_out"]) == ["tools[0]", "tools[1]", "tools[2]"]
    assert "patch" in report["left_out"]["tools[2]"]


def test_what_the_model_thought_before_is_dropped(client: httpx.Client) -> None:
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
    items = [{"role": "user", "content": "Hello"}, thought, {"role": "assistant", "content": "Hi"}]
    response = client.post("/v1/responses", json=asked(input=[*items, {"role": "user", "content": QUESTION}]))
    assert response.json()["output"][-1]["content"][0]["text"].endswith(ANSWER)


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("previous_response_id", "resp_1"),
        ("conversation", "conv_1"),
        ("background", True),
        ("store", True),
        ("top_logprobs", 3),
        ("include", ["message.output_text.logprobs"]),
        ("input[0].type", [{"type": "item_reference", "id": "msg_1"}]),
        ("input[0].call_id", [{"type": "function_call_output", "call_id": "call_9", "output": "x"}]),
        ("input[0].content", [{"role": "user", "content": 7}]),
        ("tools[0].name", [{"type": "function", "name": {}}]),
        ("tool_choice", {"type": "function", "name": "nothing"}),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(client: httpx.Client, param: str, value: Any) -> None:
    response = client.post("/v1/responses", json=asked(**{param.partition("[")[0]: value}))
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)
