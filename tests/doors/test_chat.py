"""Chat completions: whole and streamed, what is honoured and what is refused by name."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from openai import BadRequestError, NotFoundError, OpenAI

QUESTION = "What is 17 * 24 + 3?"
ANSWER = "Answer: 411"

TOOL = {
    "type": "function",
    "function": {
        "name": "multiply",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    },
}


def asked(**fields: Any) -> dict[str, Any]:
    return {"model": "panel", "messages": [{"role": "user", "content": QUESTION}], **fields}


def chunks_of(client: httpx.Client, **fields: Any) -> list[dict[str, Any]]:
    """The chunks of a stream, whose every line is an event, a comment or empty."""
    chunks = []
    with client.stream("POST", "/v1/chat/completions", json=asked(stream=True, **fields)) as response:
        assert response.status_code == 200, response.read()
        for line in response.iter_lines():
            assert line == "" or line.startswith((": ", "data: {", "data: [DONE]"))
            if line.startswith("data: {"):
                chunks.append(json.loads(line.removeprefix("data: ")))
    assert line == ""
    return chunks


def test_a_whole_answer_with_its_reasoning_usage_and_report(openai_client: OpenAI) -> None:
    completion = openai_client.chat.completions.create(**asked())
    message, usage = completion.choices[0].message, completion.usage
    assert (message.content or "").endswith(ANSWER)
    assert completion.choices[0].finish_reason == "stop"
    extra = message.model_extra or {}
    assert extra["reasoning"] == extra["reasoning_content"]
    assert extra["reasoning"].count(ANSWER) == 2
    report = (completion.model_extra or {})["moa"]["report"]
    assert usage is not None
    assert 0 < usage.prompt_tokens < report["usage"]["input"]  # the writer's own: what is in its context
    assert usage.completion_tokens == report["usage"]["output"]
    assert usage.completion_tokens_details is not None
    panel = usage.completion_tokens_details.reasoning_tokens
    assert panel is not None
    assert 0 < panel < usage.completion_tokens
    assert (completion.model_extra or {})["moa"]["cost"] == report["cost"] > 0


def test_no_more_tokens_are_told_than_the_request_allows(openai_client: OpenAI) -> None:
    completion = openai_client.chat.completions.create(**asked(max_tokens=3))
    assert completion.choices[0].finish_reason == "length"
    assert completion.usage is not None
    assert completion.usage.completion_tokens == 3


def test_the_limit_of_tokens_counts_thoughts_as_the_protocol_has_it(openai_client: OpenAI) -> None:
    completion = openai_client.chat.completions.create(**asked(max_completion_tokens=3, reasoning_effort="high"))
    assert completion.choices[0].finish_reason == "length"
    assert len(completion.choices[0].message.content or "") < 16
    left_out = (completion.model_extra or {})["moa"]["report"]["left_out"]
    assert left_out == {}
    nearest = openai_client.chat.completions.create(**asked(reasoning_effort="xhigh"))
    assert list((nearest.model_extra or {})["moa"]["report"]["left_out"]) == ["reasoning_effort"]


def test_an_answer_without_thinking_is_the_writers_alone(openai_client: OpenAI) -> None:
    completion = openai_client.chat.completions.create(**asked(reasoning_effort="none"))
    assert (completion.model_extra or {})["moa"]["report"]["calls"] == 1


def test_a_stream_holds_the_role_each_proposal_once_then_the_answer(client: httpx.Client) -> None:
    first, *rest = chunks_of(client)
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    proposals = [chunk for chunk in rest if chunk["choices"][0]["delta"].get("reasoning")]
    assert {chunk["moa"]["slot"] for chunk in proposals} == {"a", "b"}
    for chunk in proposals:
        delta = chunk["choices"][0]["delta"]
        assert delta["reasoning"] == delta["reasoning_content"]
        assert chunk["moa"]["type"] == "record_finished"
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in rest)
    assert text.count(ANSWER) == 1
    assert rest.index(proposals[-1]) < next(i for i, c in enumerate(rest) if c["choices"][0]["delta"].get("content"))
    assert [chunk["choices"][0]["finish_reason"] for chunk in rest][-1] == "stop"
    assert rest[-1]["moa"]["report"]["calls"] == 3
    assert "usage" not in rest[-1]


def test_the_usage_comes_last_and_alone_where_it_is_asked_for(client: httpx.Client) -> None:
    *before, last = chunks_of(client, stream_options={"include_usage": True})
    assert all(chunk["usage"] is None and chunk["choices"] for chunk in before)
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] == last["usage"]["prompt_tokens"] + last["usage"]["completion_tokens"]


def test_every_event_is_told_live_where_it_is_asked_for(client: httpx.Client) -> None:
    chunks = chunks_of(client, stream_options={"include_moa_live": True})
    told = [chunk["moa"]["type"] for chunk in chunks if "type" in chunk.get("moa", {})]
    assert told[0] == "run_started"
    assert told.count("call_started") == told.count("call_finished") == told.count("record_finished") == 3
    live = [chunk["moa"] for chunk in chunks if chunk.get("moa", {}).get("type") == "record_text"]
    assert {event["slot"] for event in live} == {"a", "b"}
    written = "".join(event["text"] for event in live if event["slot"] == "a")
    assert any(written.strip() in chunk["choices"][0]["delta"].get("reasoning", "") for chunk in chunks)


def test_a_tool_is_called_streamed_and_not(client: httpx.Client, openai_client: OpenAI) -> None:
    whole = openai_client.chat.completions.create(**asked(tools=[TOOL])).choices[0]
    assert whole.finish_reason == "tool_calls"
    assert whole.message.tool_calls is not None
    called = whole.message.tool_calls[0]
    assert called.type == "function"
    assert json.loads(called.function.arguments) == {"a": 17, "b": 24}
    deltas = [chunk["choices"][0] for chunk in chunks_of(client, tools=[TOOL])]
    pieces = [piece for choice in deltas for piece in choice["delta"].get("tool_calls", [])]
    assert pieces[0]["index"] == 0
    assert pieces[0]["id"].startswith("call_")
    assert "".join(piece["function"]["arguments"] for piece in pieces) == called.function.arguments
    assert deltas[-1]["finish_reason"] == "tool_calls"


def test_the_panel_is_asked_once_in_a_loop_of_tool_calls(client: httpx.Client) -> None:
    messages: list[Any] = [{"role": "user", "content": "What is 18 * 24?"}]

    def ask() -> dict[str, Any]:
        body = {"model": "panel", "messages": messages, "tools": [TOOL]}
        answer: dict[str, Any] = client.post("/v1/chat/completions", json=body).json()
        messages.append(answer["choices"][0]["message"])
        report: dict[str, Any] = answer["moa"]["report"]
        return report

    assert ask()["calls"] == 3
    call = messages[-1]["tool_calls"][0]
    messages.append({"role": "tool", "tool_call_id": call["id"], "content": "432"})
    second = ask()
    assert (second["calls"], second["saved"]["answers"]) == (1, 2)
    messages.append({"role": "user", "content": "And 18 * 25?"})
    assert ask()["calls"] == 3


def test_an_answer_has_the_form_that_is_asked_for(openai_client: OpenAI) -> None:
    schema = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}
    form = {"type": "json_schema", "json_schema": {"name": "sum", "schema": schema}}
    content = openai_client.chat.completions.create(**asked(response_format=form)).choices[0].message.content
    assert json.loads(content or "") == {"answer": 411}


def test_functions_in_the_old_way(openai_client: OpenAI) -> None:
    choice = openai_client.chat.completions.create(**asked(functions=[TOOL["function"]])).choices[0]
    assert choice.finish_reason == "function_call"
    assert choice.message.function_call is not None
    assert choice.message.function_call.name == "multiply"


def test_limits_of_a_run_are_its_options_and_nothing_else(client: httpx.Client) -> None:
    fine = client.post("/v1/chat/completions", json=asked(moa={"calls": 5, "proposers": ["a"]}))
    assert fine.json()["moa"]["report"]["calls"] == 2
    for field, value in {"base_url": "http://x", "key": "k", "calls": 0, "aggregator": "openai:gpt-9"}.items():
        refused = client.post("/v1/chat/completions", json=asked(moa={field: value}))
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, f"moa.{field}")


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("n", 2),
        ("logprobs", True),
        ("top_logprobs", 2),
        ("service_tier", "flex"),
        ("modalities", ["text", "audio"]),
        ("temperature", 3),
        ("stop", ["a", "b", "c", "d", "e"]),
        ("messages", []),
        ("tool_choice", "required"),
        ("tools[0].function.name", [{"type": "function", "function": {"name": {}}}]),
        ("messages[0].content[0].text", [{"role": "user", "content": [{"type": "text"}]}]),
        (
            "messages[0].tool_calls[0].custom",
            [{"role": "assistant", "tool_calls": [{"id": "call_1", "type": "custom"}]}],
        ),
        ("messages[0].tool_call_id", [{"role": "tool", "content": "x", "tool_call_id": "call_1"}]),
        ("response_format.json_schema", {"type": "json_schema"}),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(client: httpx.Client, param: str, value: Any) -> None:
    field = param.partition("[")[0].partition(".")[0]
    response = client.post("/v1/chat/completions", json=asked(**{field: value}))
    error = response.json()["error"]
    assert (response.status_code, error["param"], error["type"]) == (400, param, "invalid_request_error")


def test_an_empty_message_is_left_to_the_models_as_openai_leaves_it(client: httpx.Client) -> None:
    empty: list[Any] = ["", " ", None, []]
    for said in empty:
        response = client.post("/v1/chat/completions", json=asked(messages=[{"role": "user", "content": said}]))
        assert (response.status_code, response.json()["moa"]["report"]["calls"]) == (200, 3)


def test_calls_of_custom_tools_are_a_part_of_the_conversation(client: httpx.Client) -> None:
    call = {"id": "call_1", "type": "custom", "custom": {"name": "patch", "input": "*** Begin"}}
    messages = [
        {"role": "user", "content": "What is 17 * 24 + 3?"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "done"},
    ]
    response = client.post("/v1/chat/completions", json=asked(messages=messages))
    assert response.status_code == 200


def test_bookkeeping_passes_and_unknown_fields_are_named_in_the_report(client: httpx.Client) -> None:
    fields = {"user": "u", "metadata": {"a": "b"}, "store": True, "prompt_cache_key": "k", "client_metadata": {}}
    response = client.post("/v1/chat/completions", json=asked(**fields, best_of=3))
    assert response.json()["moa"]["report"]["left_out"] == {"best_of": "unknown parameter"}


def test_a_mixture_that_only_chooses_refuses_tools_and_forms(client: httpx.Client) -> None:
    for field, value in {"tools": [TOOL], "response_format": {"type": "json_object"}}.items():
        response = client.post("/v1/chat/completions", json=asked(model="vote", **{field: value}))
        assert (response.status_code, response.json()["error"]["param"]) == (400, field)


def test_errors_before_the_first_token_are_statuses_of_streams_too(client: httpx.Client) -> None:
    response = client.post("/v1/chat/completions", json=asked(stream=True, moa={"calls": 1}))
    assert (response.status_code, response.json()["error"]["code"]) == (400, "budget_too_small")


def test_names_aliases_and_the_writer_alone(openai_client: OpenAI) -> None:
    names = [model.id for model in openai_client.models.list()]
    assert names == ["moa/panel", "moa/panel:writer", "moa/vote", "gpt-5.4"]
    assert openai_client.models.retrieve("moa/panel").id == "moa/panel"
    for name, calls in {"gpt-5.4": 3, "moa/panel": 3, "panel": 3, "moa/panel:writer": 1, "panel:writer": 1}.items():
        completion = openai_client.chat.completions.create(**asked(model=name))
        assert completion.model == name
        assert (completion.model_extra or {})["moa"]["report"]["calls"] == calls
    with pytest.raises(NotFoundError):
        openai_client.chat.completions.create(**asked(model="gpt-9"))


def test_a_chore_goes_to_the_writer_alone(openai_client: OpenAI) -> None:
    chore = [{"role": "user", "content": "### Task:\nName this conversation."}]
    completion = openai_client.chat.completions.create(**asked(messages=chore))
    assert (completion.model_extra or {})["moa"]["report"]["calls"] == 1


def test_bodies_that_are_no_request(client: httpx.Client) -> None:
    for content in (b"", b"{", b"[]", b'"x"', b'{"model": "\\ud800"}', b"\xff"):
        response = client.post("/v1/chat/completions", content=content)
        assert (response.status_code, response.json()["error"]["type"]) == (400, "invalid_request_error")


def test_the_sdk_raises_its_own_errors(openai_client: OpenAI) -> None:
    with pytest.raises(BadRequestError) as caught:
        openai_client.chat.completions.create(**asked(n=2))
    assert caught.value.param == "n"
