"""Equal calls have equal keys, all others don't; secrets take no part in either."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from pydantic import SecretStr

from moa_graph.errors import MixtureError
from moa_graph.store import CallIdentity, message_record

Make = Callable[..., CallIdentity]


@pytest.mark.parametrize(
    "change",
    [
        {"model": "sim:b"},
        {"base_url": "http://localhost:1/v1"},
        {"parameters": {"temperature": 0.7, "max_tokens": 513}},
        {"parameters": {"temperature": 0.7, "max_tokens": 512, "stop_token_ids": [2]}},
        {"parameters": {"temperature": 0.7, "max_tokens": 512, "stop_token": "</s>"}},
        {"messages": [{"role": "human", "content": "Hello!"}]},
        {"messages": [{"role": "system", "content": "Hello"}]},
        {"tools": [{"name": "search"}]},
        {"response_format": {"type": "json_object"}},
        {"number": 1},
    ],
    ids="-".join,
)
def test_whatever_an_answer_depends_on_changes_the_key(identity: Make, change: dict[str, Any]) -> None:
    assert identity(**change).key != identity().key


@pytest.mark.parametrize(
    "parameters",
    [
        {"max_tokens": 512, "temperature": 0.7},
        {"temperature": 0.7, "max_tokens": 512.0},
        {"temperature": 0.7, "max_tokens": 512, "seed": None},
    ],
    ids=["order", "512.0", "none"],
)
def test_parameters_that_mean_the_same_give_the_same_key(identity: Make, parameters: dict[str, Any]) -> None:
    assert identity(parameters=parameters).key == identity().key


def test_lists_and_tuples_are_the_same(identity: Make) -> None:
    assert identity(parameters={"stop": ("a",)}).key == identity(parameters={"stop": ["a"]}).key


@pytest.mark.parametrize("change", [{"stage": "layer_2"}, {"slot": "a-2"}, {"sample": 1}], ids="-".join)
def test_where_a_call_is_made_does_not_change_the_key(identity: Make, change: dict[str, Any]) -> None:
    assert identity(**change).key == identity().key


def test_six_equal_calls_have_six_keys_and_one_content(identity: Make) -> None:
    calls = [identity(number=number) for number in range(6)]
    assert (len({call.key for call in calls}), len({call.content for call in calls})) == (6, 1)


def test_the_key_stays_the_same_between_versions(identity: Make) -> None:
    """Recordings are committed: a change of this value must come with a new KEY_VERSION."""
    assert identity().key == "1f012f7ad746fc3976414f4eb83a1e9c74bcfc46fd7f86e1e39105bd29c70257"


def test_the_key_of_the_first_version_is_still_known(identity: Make) -> None:
    assert identity().key_in_version_1 == "55641ce4de6ef6c8a07706e800e1b0d6d9f28e7e7a12dac9412c3b51a50d67e2"
    assert identity(sample=1).key_in_version_1 != identity().key_in_version_1


@pytest.mark.parametrize(
    "name",
    [
        "api_key", "apiKey", "openai_api_key", "openai-api-key", "key", "token", "access_token", "hf_token",
        "authorization", "Authorization", "aws_secret_access_key", "password", "client_secret",
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", ["sk-first-secret", SecretStr("sk-second-secret")], ids=["text", "SecretStr"])
def test_secrets_take_no_part_in_the_key(identity: Make, name: str, value: Any) -> None:
    assert identity(parameters={"seed": 1, name: value}).key == identity(parameters={"seed": 1}).key


@pytest.mark.parametrize("name", ["default_headers", "extra_headers", "headers", "cookies"])
def test_headers_take_no_part_in_the_key_at_any_depth(identity: Make, name: str) -> None:
    with_headers = {"extra_body": {"top_k": 4, name: {"X-Team": "secret"}}}
    assert identity(parameters=with_headers).key == identity(parameters={"extra_body": {"top_k": 4}}).key


def test_a_schema_with_a_field_named_password_is_not_taken_for_another(identity: Make) -> None:
    first, second = ({"schema": {"properties": {"password": {"type": kind}}}} for kind in ("string", "null"))
    assert identity(parameters=first).key != identity(parameters=second).key
    assert identity(tools=[first]).key != identity(tools=[second]).key


def test_credentials_in_an_address_take_no_part_in_the_key(identity: Make) -> None:
    plain, secret = "https://models.example/v1", "https://me:password@models.example/v1"
    assert identity(base_url=secret).key == identity(base_url=plain).key


def test_a_call_doesn_t_show_its_secrets(identity: Make) -> None:
    call = identity(parameters={"api_key": "sk-secret"}, base_url="https://me:sk-secret@models.example")
    assert "sk-secret" not in repr(call) + str(call)


@pytest.mark.parametrize("value", [object(), float("nan"), {1, 2}], ids=["object", "nan", "set"])
def test_what_is_not_plain_json_is_refused_by_name(identity: Make, value: Any) -> None:
    with pytest.raises(MixtureError, match=r"sim:a\.parameters\.extra\.client"):
        _ = identity(parameters={"extra": {"client": value}}).key


def test_texts_that_are_not_valid_unicode_have_keys(identity: Make) -> None:
    first, second = ([{"role": "human", "content": text}] for text in ("\ud800", "\ud801"))
    assert identity(messages=first).key != identity(messages=second).key


@pytest.mark.parametrize(
    ("message", "record"),
    [
        (SystemMessage("Be brief."), {"role": "system", "content": "Be brief."}),
        (HumanMessage("Hi", name="Ann"), {"role": "human", "content": "Hi", "name": "Ann"}),
        (ChatMessage(content="Hi", role="developer"), {"role": "developer", "content": "Hi"}),
        (AIMessageChunk(content="Hi"), {"role": "ai", "content": "Hi"}),
        (
            AIMessage("", tool_calls=[{"name": "search", "args": {"q": "x"}, "id": "call-1"}]),
            {
                "role": "ai",
                "content": "",
                "tool_calls": [{"id": "call-1", "name": "search", "args": {"q": "x"}}],
            },
        ),
        (
            ToolMessage("found", tool_call_id="call-1", artifact=object()),
            {"role": "tool", "content": "found", "tool_call_id": "call-1"},
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseMessage) else "",
)
def test_a_record_holds_what_a_model_reads(message: BaseMessage, record: dict[str, Any]) -> None:
    assert message_record(message) == record


def test_ids_and_metadata_that_differ_between_runs_are_left_out() -> None:
    first, second = (
        AIMessage(
            [{"type": "text", "text": "Hi", "id": f"lc_{run}"}],
            id=f"run-{run}",
            response_metadata={"headers": {"date": str(run)}},
            usage_metadata={"input_tokens": run, "output_tokens": 0, "total_tokens": run},
        )
        for run in (1, 2)
    )
    assert message_record(first) == message_record(second)


def test_ids_that_a_provider_gave_are_kept() -> None:
    block = {"type": "reasoning", "id": "rs_1"}
    assert message_record(AIMessage([block]))["content"] == [block]
