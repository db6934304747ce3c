"""A stream that ends empty is asked for once more without streaming, where the server may say what is wrong."""

from __future__ import annotations

import json
from typing import Any

from moa_graph import create_moa
from tests.loopback import Asked, Reply, completion, loopback, streamed

TOO_LONG = (
    "This model's maximum context length is 2048 tokens. However, you requested 3055 tokens (3015 in the messages, 40 "
    "in the completion). Please reduce the length of the messages or completion."
)


def llama(limit: int) -> Any:
    """As llama-cpp-python's server: over the limit, a stream is empty and only a plain request says why."""

    def answer(asked: Asked) -> Reply:
        too_long = len(json.dumps(asked.body["messages"])) > limit
        if asked.body.get("stream"):
            chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "any"}
            told = [{"index": 0, "delta": {"role": "assistant", "content": "streamed"}, "finish_reason": "stop"}]
            return streamed() if too_long else streamed({**chunk, "choices": told})
        if too_long:
            error = {"error": {"message": TOO_LONG, "type": "invalid_request_error", "code": "context_length_exceeded"}}
            return Reply(status=400, body=json.dumps(error).encode())
        return completion("plain")

    return answer


async def answered(limit: int, question: str = "Why?") -> tuple[dict[str, Any], list[Asked]]:
    async with loopback(llama(limit)) as server:
        models = {
            "home": {"model": "openai:any", "base_url": server.url, "max_tokens": 200, "extra": {"streaming": True}}
        }
        stages = [{"propose": {"slots": [{"model": "sim:instant", "samples": 3}]}}, {"aggregate": {"slot": "home"}}]
        graph = create_moa({"models": models, "stages": stages}).compile()
        return await graph.ainvoke({"messages": [("user", question)]}), server.asked


async def test_an_answer_that_fits_is_streamed_and_asked_for_once() -> None:
    state, asked = await answered(100_000)
    assert state["messages"][-1].text == "streamed"
    assert [bool(one.body.get("stream")) for one in asked] == [True]


async def test_an_empty_stream_is_asked_again_unstreamed_and_shortened() -> None:
    state, asked = await answered(800)
    assert state["messages"][-1].text == "plain"
    assert [bool(one.body.get("stream")) for one in asked] == [True, False, False]
    notes = state["records"][-1]["notes"]
    assert "its stream held nothing, so it was asked again without" in notes
    assert notes[-1] in (
        "references were shortened to fit the model's window",
        "all 3 references were left out to fit the model's window",
    )


async def test_that_all_references_are_gone_is_said() -> None:
    state, _ = await answered(350)
    assert "all 3 references were left out to fit the model's window" in state["records"][-1]["notes"]
