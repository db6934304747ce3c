"""An entry gives back the message it was made from, without what is secret or belongs to one request."""

from __future__ import annotations

import json

from langchain_core.messages import AIMessage

from moa_graph.store import Usage, entry_of, message_of

USAGE: Usage = {"input": 7, "output": 5, "cached": 2}


def test_an_answer_comes_back_whole() -> None:
    message = AIMessage(
        [{"type": "text", "text": "Hällo \ud83d"}],
        id="run-1",
        tool_calls=[{"name": "search", "args": {"q": [1, None]}, "id": "call-1"}],
        usage_metadata={
            "input_tokens": 7,
            "output_tokens": 5,
            "total_tokens": 12,
            "input_token_details": {"cache_read": 2},
        },
        response_metadata={"finish_reason": "stop", "model_name": "a-1", "model_provider": "openai"},
        additional_kwargs={"reasoning_content": "Hm."},
    )
    entry = entry_of(message, model="openai:a", usage=USAGE, created=5.0)
    assert json.loads(json.dumps(entry)) == entry
    assert message_of(entry) == message.model_copy(update={"id": None})
    assert (entry["text"], entry["usage"], entry["model"], entry["created"]) == (
        "Hällo \ud83d", USAGE, "openai:a", 5.0,
    )  # fmt: skip


def test_keys_and_headers_are_never_stored() -> None:
    message = AIMessage(
        "Hi",
        response_metadata={
            "headers": {"set-cookie": "secret-1"},
            "api_key": "secret-2",
            "finish_reason": "stop",
        },
        additional_kwargs={
            "authorization": "secret-3",
            "raw": {"request_headers": {"x": "secret-4"}, "n": 1},
        },
    )
    entry = entry_of(message, model="openai:a", usage=USAGE)
    assert "secret" not in json.dumps(entry)
    assert message_of(entry).additional_kwargs == {"raw": {"n": 1}}
    assert message_of(entry).response_metadata == {"finish_reason": "stop"}


def test_an_object_among_the_further_fields_is_left_out() -> None:
    message = AIMessage('{"a": 1}', additional_kwargs={"parsed": object(), "refusal": None})
    assert message_of(entry_of(message, model="openai:a", usage=USAGE)).additional_kwargs == {"refusal": None}
