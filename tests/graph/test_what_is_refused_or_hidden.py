"""What can't be held to is refused before any call, and what nobody may read stands nowhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from moa_graph import create_moa
from moa_graph.errors import InputError, MixtureError
from tests.loopback import Asked, Reply, loopback
from tests.models_for_tests import ScriptedModel, scripted

IMAGE = {"type": "image_url", "image_url": {"url": "https://pictures.invalid/a.png"}}
WITH_IMAGE: Any = {"messages": [HumanMessage([{"type": "text", "text": "What is this?"}, IMAGE])]}


def limited(model: ScriptedModel, **budget: Any) -> Any:
    models = {"a": {"model": model, "max_tokens": 50, "price": {"input": 1, "output": 1}}}
    stages = [{"propose": {"slots": ["a"]}}, {"aggregate": {"slot": "a"}}]
    return create_moa({"models": models, "stages": stages, "budget": budget}).compile()


@pytest.mark.parametrize("budget", [{"tokens": 2_500}, {"usd": 1}])
async def test_a_budget_of_tokens_or_dollars_is_refused_with_an_image(budget: dict[str, Any]) -> None:
    model = scripted("a")
    with pytest.raises(InputError, match="what images and files cost isn't known before the call"):
        await limited(model, **budget).ainvoke(WITH_IMAGE)
    assert model.journal.asked == []


async def test_a_budget_of_calls_or_time_holds_with_an_image() -> None:
    state = await limited(scripted("a"), calls=5, deadline=60).ainvoke(WITH_IMAGE)
    assert state["report"]["calls"] == 2


async def test_a_key_that_only_a_model_object_knows_shows_nowhere_though_the_provider_repeats_it() -> None:
    def repeating(asked: Asked) -> Reply:
        told = f"Incorrect API key provided: {asked.headers['authorization']}, of team {asked.headers['x-team']}"
        return Reply(401, json.dumps({"error": {"message": told}}).encode())

    async with loopback(repeating) as server:
        model = ChatOpenAI(
            model="any",
            base_url=server.url,
            api_key=SecretStr("plainsecretvalue42"),
            default_headers={"X-Team": "anotherplainsecret"},
        )
        graph = create_moa(proposers=[model, scripted("b")], aggregator=scripted("writer"))
        state = await graph.compile().ainvoke({"messages": [("user", "a question")]}, output_keys=["records", "ledger"])
    assert state["records"][0]["failure"]["kind"] == "auth"
    assert "Incorrect API key provided" in state["records"][0]["failure"]["message"]
    assert "plainsecret" not in json.dumps([state["records"], state["ledger"]])


def test_a_key_in_an_addresss_query_is_refused() -> None:
    address = "http://models.invalid/v1?api_key=abc&version=2"
    with pytest.raises(MixtureError, match=r"models\.a\.base_url: api_key holds a secret"):
        create_moa(
            {"models": {"a": {"model": "openai:a", "base_url": address}}, "stages": [{"aggregate": {"slot": "a"}}]}
        )


@pytest.mark.parametrize("messages", [None, [None]])
async def test_messages_that_are_none_are_refused_with_what_to_give(messages: Any) -> None:
    with pytest.raises(InputError, match="messages: "):
        await limited(scripted("a")).ainvoke({"messages": messages})


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        ([{"id": "layer_1/a#0", "text": 5}], "its text must be text, not 5"),
        ({"id": "layer_1/a#0", "text": "other"}, "give a list of records"),
    ],
)
async def test_an_edit_of_another_form_is_refused_with_what_is_wrong(edit: Any, words: str) -> None:
    from langgraph.checkpoint.memory import InMemorySaver

    stages = [{"propose": {"slots": [scripted("a")]}}, {"aggregate": {"slot": scripted("writer")}}]
    compiled = create_moa({"stages": stages}).compile(checkpointer=InMemorySaver(), interrupt_before=["layer_1/join"])
    config: Any = {"configurable": {"thread_id": "one"}}
    await compiled.ainvoke({"messages": [("user", "a question")]}, config)
    with pytest.raises(InputError, match=words):
        await compiled.aupdate_state(config, {"records": edit})
