"""A mixture where a chat model stood."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import ConfigurableField

from moa_graph import ChatMoA, MixtureError, OptionsError, TooFewProposals
from moa_graph.server.simulator import running_simulator
from tests.models_for_tests import provider_error, scripted
from tests.simulated_mixture import at_once, mixture_over_http

SUM = "What is 17 * 24 + 3?"


def panel(**fields: Any) -> ChatMoA:
    return ChatMoA(proposers=["sim:instant", "sim:instant"], aggregator="sim:instant", **fields)


async def test_the_answer_bears_the_usage_of_all_calls_and_the_report() -> None:
    proposers = [scripted("a"), scripted("b")]
    answer = await ChatMoA(proposers=proposers, aggregator=scripted("c"), name="mine").ainvoke(SUM)
    assert answer.usage_metadata is not None
    assert (answer.usage_metadata["input_tokens"], answer.usage_metadata["output_tokens"]) == (30, 15)
    metadata = answer.response_metadata
    assert (metadata["model_name"], metadata["mixture"], metadata["finish_reason"]) == ("mine", "mine", "stop")
    assert metadata["report"]["calls"] == 3
    assert json.loads(json.dumps(metadata)) == metadata


def test_a_preset_is_named_by_itself() -> None:
    answer = ChatMoA("moa-lite", simulate=True).invoke(SUM)
    assert answer.text.endswith("Answer: 411")
    assert answer.response_metadata["mixture"] == "moa-lite"


async def test_an_answer_that_was_cut_off_says_so() -> None:
    answer = await panel(max_tokens=3).ainvoke("Why is the sky blue?")
    assert answer.response_metadata["finish_reason"] == "length"


async def test_stop_ends_the_answer() -> None:
    closing = scripted("w", AIMessage("One."))
    await ChatMoA(proposers=["sim:instant"], aggregator=closing, stop=["END"]).ainvoke(SUM)
    await ChatMoA(proposers=["sim:instant"], aggregator=closing, stop=["END"]).ainvoke(SUM, stop=["FIN"])
    assert [asked.settings["stop"] for asked in closing.journal.asked] == [["END"], ["FIN"]]


async def test_stop_ends_an_answer_that_a_proposer_gave() -> None:
    model = ChatMoA(proposers=[scripted("p", "One. END Two.")], aggregator=scripted("w", provider_error(400)))
    answer = await model.ainvoke(SUM, stop=["END"])
    assert answer.text == "One. "
    assert answer.response_metadata["report"]["degraded"]


async def test_the_callers_messages_stay_as_they_are() -> None:
    messages: list[BaseMessage] = [HumanMessage(SUM)]
    await panel().ainvoke(messages)
    assert messages == [HumanMessage(SUM)]


async def test_what_a_mixture_does_not_know_is_refused() -> None:
    with pytest.raises(OptionsError, match="frequency_penalty: ChatMoA doesn't take this in a call"):
        await panel().ainvoke(SUM, frequency_penalty=1)
    with pytest.raises(ValueError, match="colour"):
        panel(colour="red")


async def test_run_time_options_are_the_mixtures_own() -> None:
    answer = await panel(options={"proposers": ["instant"]}).ainvoke(SUM)
    assert answer.response_metadata["report"]["calls"] == 2
    with pytest.raises(OptionsError, match=r"proposers\.0: Input should be 'instant'"):
        panel(options={"proposers": ["nobody"]})


async def test_it_falls_back_as_any_model_does() -> None:
    failing = ChatMoA(proposers=[scripted("p", provider_error(400))], aggregator="sim:instant")
    with pytest.raises(TooFewProposals):
        await failing.ainvoke(SUM)
    assert "411" in (await failing.with_fallbacks([panel()]).ainvoke(SUM)).text


async def test_its_fields_can_be_configured() -> None:
    model: Any = panel().configurable_fields(layers=ConfigurableField(id="layers"))
    assert (await model.ainvoke(SUM)).response_metadata["report"]["calls"] == 3
    deeper = await model.ainvoke(SUM, {"configurable": {"layers": 3}})
    assert deeper.response_metadata["report"]["calls"] == 5


async def test_other_handlers_count_the_mixture_as_one_model() -> None:
    counting = UsageMetadataCallbackHandler()
    answer = await panel(name="mine").ainvoke(SUM, {"callbacks": [counting]})
    assert dict(counting.usage_metadata) == {"mine": answer.usage_metadata}


async def test_a_mixture_is_a_model_of_another() -> None:
    inner = panel(name="inner")
    answer = await ChatMoA(proposers=[inner, "sim:instant"], aggregator=inner, name="outer").ainvoke(SUM)
    assert answer.text.endswith("Answer: 411")
    assert answer.response_metadata["report"]["calls"] == 3
    alone = await inner.ainvoke(SUM)
    assert answer.usage_metadata is not None
    assert alone.usage_metadata is not None
    assert answer.usage_metadata["input_tokens"] > 2 * alone.usage_metadata["input_tokens"]


async def test_a_mixture_of_mixtures_streams() -> None:
    model = ChatMoA(proposers=[panel()], aggregator=panel())
    texts = [chunk.text async for chunk in model.astream(SUM)]
    assert len(texts) > 5
    assert "".join(texts).endswith("Answer: 411")


def test_mixtures_stand_in_each_other_three_deep_and_no_deeper() -> None:
    model = panel()
    for depth in (2, 3):
        model = ChatMoA(proposers=[model], aggregator="sim:instant")
        assert model.depth == depth
    with pytest.raises(MixtureError, match="4 deep, and at most 3 are allowed"):
        ChatMoA(proposers=[model], aggregator="sim:instant")


async def test_the_cost_of_an_inner_mixture_is_known() -> None:
    with running_simulator(at_once()) as simulator:
        inner = ChatMoA(mixture_over_http(simulator.base_url))
        answer = await ChatMoA(proposers=[inner], aggregator=inner).ainvoke(SUM)
        paid = simulator.stats()["total"]
    cost = (paid["prompt_tokens"] * 1.0 + paid["completion_tokens"] * 2.0) / 1e6
    assert answer.response_metadata["report"]["cost"] == pytest.approx(cost)


async def test_64_conversations_at_once_are_not_mixed_up() -> None:
    with running_simulator(at_once()) as simulator:
        model = ChatMoA(mixture_over_http(simulator.base_url))
        answers = await asyncio.gather(*(_conversation(model, 1000 * number) for number in range(64)))
    for number, sums in enumerate(answers):
        assert sums == [str(1000 * number + turn) for turn in (1, 2, 3)]


async def _conversation(model: ChatMoA, number: int) -> list[str]:
    """The sums of a conversation's answers, the last of which is streamed."""
    messages: list[BaseMessage] = []
    for turn in (1, 2):
        messages.append(HumanMessage(f"What is {number} + {turn}?"))
        messages.append(await model.ainvoke(messages))
    streamed = [chunk.text async for chunk in model.astream([*messages, HumanMessage(f"What is {number} + 3?")])]
    texts = [*(str(message.text) for message in messages if message.type == "ai"), "".join(streamed)]
    return [text.split()[-1] for text in texts]


def test_batches_keep_their_order() -> None:
    answers = panel().batch([f"What is {number} + 1?" for number in range(5)])
    assert [answer.text.split()[-1] for answer in answers] == ["1", "2", "3", "4", "5"]
