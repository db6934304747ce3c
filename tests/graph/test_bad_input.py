"""Conversations, keys, options and edits that can't work: one clear error, before any call where it can be known."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver

from moa_graph import (
    InputError,
    MissingKey,
    MixtureError,
    OptionsError,
    create_moa,
)
from tests.models_for_tests import ScriptedModel, calling, scripted

REFUSED_CONVERSATIONS: dict[str, tuple[Any, str]] = {
    "empty": ([], "the conversation is empty: give"),
    "the user said nothing": ([("user", " \n")], "the last message is empty: ask something"),
    "no block": ([{"role": "user", "content": []}], "the last message is empty"),
    "a blank block": ([{"role": "user", "content": [{"type": "text", "text": " "}]}], "the last message is empty"),
    "no content": ([{"role": "user", "content": None}], "the last message is empty"),
    "no content in a tuple": ([("user", None)], "messages: "),
    "tools are being called": ([("user", "one"), calling("add")], "ends with tool calls: add their results"),
    "unknown role": ([{"role": "wizard", "content": "x"}], "messages: Unexpected message type: 'wizard'"),
    "a number": ([3], "messages: Unsupported message type"),
}


def mixture_of(model: ScriptedModel) -> Any:
    return create_moa(proposers=[model, model], aggregator=model).compile(checkpointer=None)


@pytest.mark.parametrize("case", REFUSED_CONVERSATIONS)
async def test_a_conversation_without_a_question_is_refused_before_any_call(case: str) -> None:
    messages, message = REFUSED_CONVERSATIONS[case]
    model = scripted("model")

    with pytest.raises(InputError, match=re.escape(message)) as refused:
        await mixture_of(model).ainvoke({"messages": messages})

    assert model.journal.asked == []
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "messages",
    [
        "What is 3 + 4?",
        ("user", "What is 3 + 4?"),
        {"role": "user", "content": "What is 3 + 4?"},
        HumanMessage("What is 3 + 4?"),
        [("user", "What is 3 + 4?")],
        ["What is 3 + 4?"],
        [{"role": "user", "content": [{"type": "text", "text": "What is 3 + 4?"}]}],
        [("user", "What is 3 + 4?"), ("system", "Be brief.")],
    ],
)
async def test_messages_may_be_written_in_every_form_that_langchain_knows(messages: Any) -> None:
    graph = create_moa(proposers=["sim:instant"], aggregator="sim:instant").compile()

    result = await graph.ainvoke({"messages": messages})

    assert "7" in result["messages"][-1].text


async def test_a_missing_key_is_named_before_any_call() -> None:
    model = scripted("model")
    slots: list[Any] = [model, "together:a", "openai:b", "openai:c"]
    graph = create_moa(proposers=slots, aggregator=model, name="mine").compile()

    with pytest.raises(MissingKey) as missing:
        await graph.ainvoke({"messages": [("user", "Why?")]})

    assert str(missing.value) == (
        "mine: keys are missing from the environment: TOGETHER_API_KEY for a; OPENAI_API_KEY for b, c. Set them, or "
        "try it without keys on simulated models: --simulate, MOA_SIMULATE=1 or create_moa(..., simulate=True)."
    )
    assert model.journal.asked == []


async def test_a_missing_package_is_named_before_any_call() -> None:
    model = scripted("model")
    graph = create_moa(proposers=[model, "perplexity:a"], aggregator=model).compile()

    with pytest.raises(MixtureError, match="a needs a package that isn't installed: pip install langchain-perplexity"):
        await graph.ainvoke({"messages": [("user", "Why?")]})

    assert model.journal.asked == []


async def test_a_proposer_that_is_left_out_needs_no_key() -> None:
    model = scripted("model")
    graph = create_moa(proposers=[model, "together:a"], aggregator=model).compile()

    result = await graph.ainvoke({"messages": [("user", "Why?")]}, context={"proposers": ["model"]})

    assert result["report"]["calls"] == 2


def test_without_its_keys_a_mixture_compiles_and_draws() -> None:
    drawn = create_moa("together-moa").compile().get_graph().draw_mermaid()

    assert "qwen-110b" in drawn


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({"usd": 1}, "usd needs max_tokens of "),
        ({"tokens": 1000}, "tokens needs max_tokens of "),
        ({"proposers": []}, "layer_1 gives 0 proposal(s), and 1 are needed (min_live)"),
    ],
)
async def test_options_that_cant_be_held_are_refused_before_any_call(context: Any, message: str) -> None:
    model = scripted("model")

    with pytest.raises(OptionsError, match=re.escape(message)):
        await mixture_of(model).ainvoke({"messages": [("user", "Why?")]}, context=context)

    assert model.journal.asked == []


def test_the_error_of_a_run_is_the_same_without_an_event_loop() -> None:
    model = scripted("model")
    graph = mixture_of(model)

    with pytest.raises(InputError, match="the conversation is empty"):
        graph.invoke({"messages": []})
    with pytest.raises(InputError, match="the conversation is empty"):
        asyncio.run(graph.ainvoke({"messages": []}))

    assert model.journal.asked == []


@pytest.mark.parametrize("door", ["invoke", "ainvoke", "stream", "astream"])
async def test_a_context_whose_keys_are_no_texts_is_refused_in_words(door: str) -> None:
    graph: Any = create_moa(proposers=[scripted("a")], aggregator=scripted("w")).compile().with_config(tags=["x"])

    async def run() -> None:
        running = getattr(graph, door)({"messages": [("user", "why?")]}, context={1: 2})
        if door == "ainvoke":
            await running
        else:
            _ = [part async for part in running] if door == "astream" else list(running)

    with pytest.raises(OptionsError, match="1 isn't the name of an option"):
        await run()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"records": [{"failure": {"a": 1}}]}, "its failure must be None, or tell a kind and a message"),
        ({"records": [{"seconds": None}]}, "its seconds must be a number"),
        ({"records": [{"started": "now"}]}, "its started must be a number"),
        ({"turn": {"opened_with": [{}]}}, "its opened_with must be a list of texts"),
    ],
)
async def test_an_edit_of_the_wrong_type_is_refused_where_it_is_made(edit: dict[str, Any], message: str) -> None:
    graph = create_moa(proposers=[scripted("a")], aggregator=scripted("w")).compile(checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}
    state = await graph.ainvoke({"messages": [("user", "why?")]}, thread)
    records = [{"id": state["records"][0]["id"], **one} for one in edit.get("records", ())]
    with pytest.raises(InputError, match=message):
        await graph.aupdate_state(thread, {**edit, "records": records} if records else edit)
