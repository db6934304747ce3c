"""A stored answer belongs to the server that gave it: a model of the same name elsewhere is another model."""

from __future__ import annotations

import json
from collections.abc import Callable

from moa_graph import create_moa
from tests.loopback import Asked, Reply, loopback


def saying(text: str) -> Callable[[Asked], Reply]:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    return lambda _: Reply(200, json.dumps(body).encode(), {"content-type": "application/json"})


async def test_models_of_one_name_at_two_addresses_have_an_answer_each() -> None:
    async with loopback(saying("here")) as here, loopback(saying("there")) as there:
        models = {
            name: {"model": "openai:m", "base_url": server.url, "key_variable": None}
            for name, server in (("here", here), ("there", there))
        }
        stages = [{"propose": {"slots": ["here", "there"]}}, {"vote": {}}]
        graph = create_moa({"models": models, "stages": stages}, store=":memory:").compile()
        state = await graph.ainvoke({"messages": [("user", "Where?")]})

    assert [one["text"] for one in state["records"] if one["kind"] == "proposal"] == ["here", "there"]
