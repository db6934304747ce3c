"""What a call and the chat model's fields set of the model that writes the answer, and of no other."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from moa_graph import ChatMoA, MixtureError, OptionsError, create_moa
from moa_graph.options import AnswerSettings
from moa_graph.runs import run
from tests.models_for_tests import Reply, ScriptedModel, provider_error, scripted
from tests.virtual_clock import run_virtual

SETTINGS = ("temperature", "max_tokens", "top_p", "seed")


def set_of(model: ScriptedModel) -> list[dict[str, Any]]:
    return [
        {name: asked.settings[name] for name in SETTINGS if name in asked.settings} for asked in model.journal.asked
    ]


@pytest.fixture
def proposer() -> ScriptedModel:
    return scripted("proposer")


@pytest.fixture
def writer() -> ScriptedModel:
    return scripted("writer")


async def test_the_fields_reach_the_model_that_writes_alone(proposer: ScriptedModel, writer: ScriptedModel) -> None:
    chat = ChatMoA(proposers=[proposer], aggregator=writer, temperature=0, max_tokens=7)
    await chat.ainvoke("Why?")
    assert (set_of(proposer), set_of(writer)) == ([{}], [{"temperature": 0, "max_tokens": 7}])


@pytest.mark.parametrize("words", [{"max_tokens": 7, "stop": ["END"]}, {"max_completion_tokens": 7, "stop": "END"}])
async def test_all_that_a_call_may_set_of_the_writer_can_be_set_for_every_call(
    proposer: ScriptedModel, writer: ScriptedModel, words: dict[str, Any]
) -> None:
    chat = ChatMoA(proposers=[proposer], aggregator=writer, top_p=0.5, seed=3, request_timeout=9, **words)
    await chat.ainvoke("Why?")
    assert (set_of(proposer), set_of(writer)) == ([{}], [{"max_tokens": 7, "top_p": 0.5, "seed": 3}])
    assert (writer.journal.asked[0].settings["stop"], chat.timeout) == (["END"], 9)
    chat.seed = 4
    await chat.ainvoke("Why?", top_p=0.25)
    assert set_of(writer)[1] == {"max_tokens": 7, "top_p": 0.25, "seed": 4}


@pytest.mark.parametrize("given", [{"reasoning": {"effort": "high"}}, {"reasoning_effort": "high"}])
def test_so_can_how_much_it_thinks(given: dict[str, Any]) -> None:
    chat = ChatMoA("moa-lite", simulate=True, **given)
    assert chat._usual(chat.graph).parameters == {"reasoning": "high"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"reasoning_effort": "enormous"}, "reasoning"),
        ({"max_tokens": 3, "max_completion_tokens": 4}, "max_completion_tokens and max_tokens: these mean the same"),
    ],
)
def test_fields_that_cannot_be_honoured_are_refused_by_name(given: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionsError, match=message):
        ChatMoA("moa-lite", simulate=True, **given)


async def test_a_call_sets_them_over_the_fields(proposer: ScriptedModel, writer: ScriptedModel) -> None:
    chat = ChatMoA(proposers=[proposer], aggregator=writer, temperature=0, max_tokens=7)
    await chat.bind(temperature=0.9, seed=3).ainvoke("Why?")
    await chat.ainvoke("Why?", max_completion_tokens=9, top_p=0.5, temperature=None)
    await chat.ainvoke("Why?")
    assert set_of(writer) == [
        {"temperature": 0.9, "max_tokens": 7, "seed": 3},
        {"temperature": 0, "max_tokens": 9, "top_p": 0.5},
        {"temperature": 0, "max_tokens": 7},
    ]
    assert set_of(proposer) == [{}, {}, {}]


async def test_its_fallbacks_are_asked_with_them_too(writer: ScriptedModel) -> None:
    failing = scripted("failing", provider_error(401))
    stages = [{"aggregate": {"slot": {"model": failing, "fallbacks": [writer]}}}]
    await ChatMoA({"stages": stages}, temperature=0.2).ainvoke("Why?")
    assert set_of(writer) == [{"temperature": 0.2}]


async def test_a_graph_takes_them_without_a_chat_model(writer: ScriptedModel) -> None:
    graph = create_moa(proposers=[], aggregator=writer, layers=1).compile()
    await run(graph, "Why?", answer=AnswerSettings(parameters={"temperature": 0.3}))
    assert set_of(writer) == [{"temperature": 0.3}]


def test_a_field_that_is_set_later_takes_effect(proposer: ScriptedModel, writer: ScriptedModel) -> None:
    chat = ChatMoA(proposers=[proposer], aggregator=writer)
    chat.temperature = 0.1
    chat.invoke("Why?")
    chat.model_copy(update={"temperature": 0.2}).invoke("Why?")
    chat.layers = 3
    report = chat.invoke("Why?").response_metadata["report"]
    assert [one["temperature"] for one in set_of(writer)] == [0.1, 0.2, 0.1]
    assert [stage["stage"] for stage in report["stages"]] == ["layer_1", "layer_2", "aggregate"]
    assert chat.model_copy(update={"layers": 2}).graph.mixture.stages != chat.graph.mixture.stages


def test_a_field_that_cannot_be_set_stays_as_it_was(proposer: ScriptedModel, writer: ScriptedModel) -> None:
    chat = ChatMoA(proposers=[proposer], aggregator=writer, temperature=0)
    with pytest.raises(ValidationError, match="less than or equal to 2"):
        chat.temperature = 7
    with pytest.raises(OptionsError, match="quorum"):
        chat.options = {"quorum": 99}
    with pytest.raises(MixtureError, match="layers"):
        chat.layers = 0
    assert (chat.temperature, chat.options, chat.layers) == (0, {}, None)


def test_a_call_is_as_patient_with_the_writer_as_it_says() -> None:
    writer = scripted("writer", Reply("slow", delay=30))

    async def answers() -> list[str]:
        chat = ChatMoA(proposers=[scripted("p")], aggregator=writer)
        hasty = await chat.ainvoke("Why?", timeout=5, max_retries=0)
        return [hasty.text, (await chat.ainvoke("Why?")).text]

    assert run_virtual(answers) == ["p's answer", "slow"]


@pytest.mark.parametrize(("retries", "asked"), [(0, 1), (1, 2), (4, 5)])
def test_max_retries_counts_what_comes_after_the_first_request(retries: int, asked: int) -> None:
    writer = scripted("writer", provider_error(503))

    async def ask() -> None:
        await ChatMoA(proposers=[scripted("p")], aggregator=writer, max_retries=retries).ainvoke("Why?")

    run_virtual(ask)
    assert len(writer.journal.asked) == asked


async def test_a_call_names_the_model_of_the_mixture_that_writes(proposer: ScriptedModel) -> None:
    models = {"one": {"model": proposer}, "other": {"model": scripted("other")}}
    chat = ChatMoA({"name": "mine", "models": models, "stages": [{"aggregate": {"slot": "one"}}]})
    assert (await chat.ainvoke("Why?", model="other")).text == "other's answer"
    assert (await chat.ainvoke("Why?", model="mine")).text == "proposer's answer"
    with pytest.raises(OptionsError, match="model: 'gpt-9' isn't a model of mine, which has one, other"):
        await chat.ainvoke("Why?", model="gpt-9")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"temperature": 7}, "temperature: Input should be less than or equal to 2"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"timeout": 0}, "timeout: 0 must be a number of seconds"),
        ({"timeout": (5, 30)}, "timeout"),
        ({"max_retries": -1}, "max_retries"),
        ({"logit_bias": {"1": 2}}, "logit_bias"),
    ],
)
async def test_what_cannot_be_honoured_is_refused_by_name(
    asked: dict[str, Any], told: str, writer: ScriptedModel
) -> None:
    with pytest.raises(OptionsError, match=told):
        await ChatMoA(proposers=[], aggregator=writer, layers=1).ainvoke("Why?", **asked)
    assert writer.journal.asked == []


@pytest.mark.parametrize("field", [{"temperature": 0}, {"max_tokens": 5}, {"timeout": 60}, {"max_retries": 2}])
def test_they_need_a_model_that_writes(field: dict[str, Any]) -> None:
    voting: Any = {"stages": [{"propose": {"slots": ["sim:a"]}}, {"vote": {}}]}
    with pytest.raises(MixtureError, match=f"{next(iter(field))}: the last stage of mixture is of kind vote"):
        ChatMoA(voting, **field)
    with pytest.raises(MixtureError, match=next(iter(field))):
        ChatMoA(voting).invoke("Why?", **field)


def test_a_budget_reckons_with_the_tokens_that_a_call_asks_for() -> None:
    settings = {"model": "sim:instant", "max_tokens": 50, "price": {"input": 1, "output": 1}}
    chat = ChatMoA({"stages": [{"aggregate": {"slot": "m"}}], "models": {"m": settings}, "budget": {"tokens": 2000}})
    assert chat.invoke("Why?").text
    with pytest.raises(Exception, match=r"budget\.tokens"):
        chat.invoke("Why?", max_tokens=5000)


def test_a_store_of_a_chat_model_with_parameters_stays_open(tmp_path: Path) -> None:
    chat = ChatMoA(
        proposers=["sim:instant"],
        aggregator="sim:instant",
        store=tmp_path / "calls.sqlite",
        temperature=0,
        max_tokens=99,
    )
    gc.collect()
    first = chat.invoke("What is 17 * 24 + 3?").response_metadata["report"]
    again = chat.invoke("What is 17 * 24 + 3?").response_metadata["report"]
    hotter = chat.invoke("What is 17 * 24 + 3?", temperature=1).response_metadata["report"]
    assert [(one["calls"], one["hits"], one["failed_calls"]) for one in (first, again, hotter)] == [
        (2, 0, 0),
        (0, 2, 0),
        (1, 1, 0),
    ]
