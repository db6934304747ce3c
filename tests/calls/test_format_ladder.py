"""Forms are asked for as far up the ladder as a server takes them, and it is asked only once what it doesn't take."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from moa_graph import create_moa
from moa_graph.state import Record
from tests.loopback import Asked, Reply, completion, loopback

LLAMA = {
    "error": {
        "message": "1 validation error: {'type': 'literal_error', 'loc': ('body', 'response_format', 'type'), 'msg': "
        "\"Input should be 'text' or 'json_object'\", 'input': 'json_schema'}",
        "type": "internal_server_error",
    }
}
"""What llama-cpp-python's server says, with status 500."""


def way(asked: Asked) -> str:
    """How a request asked for its form."""
    return str(asked.body.get("response_format", {}).get("type") or ("tool" if "tools" in asked.body else "words"))


def taking(*ways: str, status: int = 500, content: str = '{"score": 7, "reason": "good"}') -> Callable[[Asked], Reply]:
    """A server that takes forms in these ways only."""

    def answer(asked: Asked) -> Reply:
        if way(asked) not in ways:
            error = LLAMA if way(asked) != "tool" else {"error": {"message": "this model does not support tools"}}
            return Reply(status=status, body=json.dumps(error).encode())
        if way(asked) == "tool":
            call = {"name": asked.body["tools"][0]["function"]["name"], "arguments": content}
            return completion(None, tool_calls=[{"id": "1", "type": "function", "function": call}])
        return completion(content)

    return answer


async def scored(server: Any, runs: int = 1) -> list[list[Record]]:
    """The records of a mixture in which one model scores what another wrote."""
    model = {"model": "openai:any", "base_url": server.url}
    stages = [{"score": {"slots": ["any"], "of": "conversation"}}, {"combine": {}}]
    graph = create_moa({"models": {"any": model}, "stages": stages}).compile()
    states = [await graph.ainvoke({"messages": [("user", "A text.")]}) for _ in range(runs)]
    return [state["records"] for state in states]


@pytest.mark.parametrize("status", [400, 422, 500])
@pytest.mark.parametrize(
    ("takes", "asked"),
    [
        ("json_schema", ["json_schema"]),
        ("json_object", ["json_schema", "json_object"]),
        ("tool", ["json_schema", "json_object", "tool"]),
        ("words", ["json_schema", "json_object", "tool", "words"]),
    ],
)
async def test_each_rung_is_tried_once(takes: str, asked: list[str], status: int) -> None:
    async with loopback(taking(takes, status=status)) as server:
        ((score, *_),) = await scored(server)
    assert [way(one) for one in server.asked] == asked
    assert score["data"]["score"] == 7


async def test_the_rung_is_remembered_for_the_address_and_model() -> None:
    async with loopback(taking("words")) as server:
        await scored(server, runs=3)
    assert [way(one) for one in server.asked] == ["json_schema", "json_object", "tool", "words", "words", "words"]


async def test_the_record_tells_how_the_form_was_asked_for() -> None:
    async with loopback(taking("json_object")) as server:
        ((score, *_),) = await scored(server)
    assert score["notes"] == ["the server refused a JSON Schema, so a JSON object was asked for"]


async def test_a_json_object_is_asked_for_with_its_schema_which_some_servers_keep_to() -> None:
    async with loopback(taking("json_object")) as server:
        await scored(server)
    assert "score" in server.asked[-1].body["response_format"]["schema"]["properties"]


async def test_an_error_about_something_else_is_no_reason_to_step_down() -> None:
    def broken(asked: Asked) -> Reply:
        if len(server.asked) == 1:
            return Reply(status=500, body=b'{"error": {"message": "out of memory"}}', headers={"retry-after": "0"})
        return completion('{"score": 7, "reason": "good"}')

    async with loopback(broken) as server:
        await scored(server)
    assert {way(one) for one in server.asked} == {"json_schema"}


async def test_a_stage_of_which_no_model_gave_its_form_degrades_the_answer() -> None:
    def prose(asked: Asked) -> Reply:
        return completion("I like the second one." if way(asked) != "words" else "An answer.")

    async with loopback(prose) as server:
        model = {"model": "openai:any", "base_url": server.url}
        graph = create_moa("council", cast={"strong": [model], "writer": model})
        state = await graph.compile().ainvoke({"messages": [("user", "Why?")]})
    assert state["report"]["degraded"] == ["rank: 3 of 3 answers failed (malformed)"]
