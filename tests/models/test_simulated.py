from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel

from moa_graph.models.simulated import SimulatedChatModel
from moa_graph.models.simulation import Profile, SimulatedFault
from moa_graph.views import Prompt
from tests.models.simulation_requests import QUESTION, instant

ANSWER = "Answer: 411"


def model(*faults: dict[str, Any], **fields: Any) -> SimulatedChatModel:
    return SimulatedChatModel(simulation=instant(faults=faults), **fields)


def with_references(*references: str) -> list[BaseMessage]:
    return Prompt((HumanMessage(QUESTION),), "Synthesize these responses.", references).messages()


async def streamed(asked: SimulatedChatModel, question: str = QUESTION) -> tuple[list[AIMessageChunk], AIMessageChunk]:
    chunks = [chunk async for chunk in asked.astream(question)]
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return chunks, whole


async def test_every_way_of_asking_gives_the_same_answer() -> None:
    asked = SimulatedChatModel(model="sim:instant")
    plain = await asked.ainvoke(QUESTION)
    assert plain.text.endswith(ANSWER)
    assert asked.invoke(QUESTION).text == plain.text
    assert "".join(chunk.text for chunk in asked.stream(QUESTION)) == plain.text
    assert (await streamed(asked))[1].text == plain.text


async def test_usage_and_metadata_are_told_plain_and_streamed() -> None:
    asked = model()
    plain = await asked.ainvoke(QUESTION)
    chunks, whole = await streamed(asked)
    assert len(chunks) > 3
    for answer in (plain, whole):
        assert answer.response_metadata == {"model_name": "tester", "finish_reason": "stop"}
        assert answer.usage_metadata == plain.usage_metadata
    assert plain.usage_metadata is not None
    assert plain.usage_metadata["input_tokens"] == 5


@pytest.mark.virtual_clock
async def test_answers_take_their_time_on_the_loop_s_clock() -> None:
    latency = {"first_token": 3600, "sigma": 0, "tokens_a_second": 0.5}
    asked = SimulatedChatModel(simulation=Profile.model_validate({"name": "slow", "latency": latency}))
    began = asyncio.get_running_loop().time()
    answer = await asked.ainvoke(QUESTION)
    assert answer.usage_metadata is not None
    expected = 3600 + 2 * answer.usage_metadata["output_tokens"]
    assert asyncio.get_running_loop().time() - began == pytest.approx(expected)


@pytest.mark.virtual_clock
async def test_a_first_run_of_three_layers_of_stock_models_takes_less_than_two_seconds() -> None:
    names = ("swift", "steady", "careful", "broad")
    question = HumanMessage("How should we plan the autumn release?")
    references: tuple[str, ...] = ()
    for _ in range(2):
        prompt = Prompt((question,), "Synthesize these responses.", references).messages()
        answers = await asyncio.gather(*(SimulatedChatModel(model=name).ainvoke(prompt) for name in names))
        references = tuple(answer.text for answer in answers)
    await SimulatedChatModel(model="careful").ainvoke(
        Prompt((question,), "Synthesize these responses.", references).messages()
    )
    assert 0.2 < asyncio.get_running_loop().time() < 1.9


def test_settings_and_keywords_reach_the_engine() -> None:
    asked = SimulatedChatModel(simulation=instant(skill={"any": 0.5}, correlation=0), temperature=0.7)
    by_field = {asked.model_copy(update={"seed": seed}).invoke(QUESTION).text for seed in range(12)}
    by_keyword = {asked.invoke(QUESTION, seed=seed).text for seed in range(12)}
    by_sample = {asked.invoke(QUESTION, sample=sample).text for sample in range(12)}
    assert by_field == by_keyword
    assert len(by_field) > 2
    assert len(by_sample) > 2
    assert model(max_tokens=2).invoke(QUESTION).response_metadata["finish_reason"] == "length"
    assert ANSWER not in model(stop=["Answer"]).invoke(QUESTION).text
    assert ANSWER not in model().invoke(QUESTION, stop=["Answer"]).text


def test_an_invalid_setting_is_refused_as_a_provider_would() -> None:
    with pytest.raises(SimulatedFault, match="temperature") as refused:
        model(temperature=9).invoke(QUESTION)
    assert refused.value.status_code == 400


async def test_n_gives_several_answers_and_counts_the_prompt_once() -> None:
    asked = SimulatedChatModel(simulation=instant(skill={"any": 0.5}, correlation=0), n=6)
    result = await asked._agenerate([HumanMessage(QUESTION)])
    messages = [generation.message for generation in result.generations]
    assert len({message.text for message in messages}) > 1
    usages = [message.usage_metadata for message in messages if isinstance(message, AIMessage)]
    assert [usage["input_tokens"] for usage in usages if usage] == [5, 0, 0, 0, 0, 0]


def test_it_aggregates_what_prompts_of_this_package_show() -> None:
    assert model().invoke(with_references("Answer: 5", "Answer: 6", "Answer: 6")).text.endswith("Answer: 6")


class Verdict(BaseModel):
    best: int
    stop: bool
    reasoning: str


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
async def test_structured_output_is_derived_from_the_references(method: Any) -> None:
    judge = model().with_structured_output(Verdict, method=method)
    verdict = await judge.ainvoke(with_references("Answer: 5", "Answer: 411", "Answer: 411"))
    assert isinstance(verdict, Verdict)
    assert (verdict.best, verdict.stop) == (2, False)


def test_structured_output_comes_with_its_raw_message_where_asked() -> None:
    both = model().with_structured_output(Verdict, include_raw=True).invoke(QUESTION)
    assert isinstance(both, dict)
    assert isinstance(both["raw"], AIMessage)
    assert isinstance(both["parsed"], Verdict)
    assert both["parsing_error"] is None
    cut = model(max_tokens=3).with_structured_output(Verdict, include_raw=True).invoke(QUESTION)
    assert isinstance(cut, dict)
    assert cut["parsed"] is None
    assert cut["parsing_error"] is not None


def test_structured_output_for_a_dict_schema_is_a_dict() -> None:
    schema = {"title": "Sum", "type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}
    assert model().with_structured_output(schema).invoke(QUESTION) == {"answer": 411}


@tool
def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


async def test_tools_are_called_plain_and_streamed_and_their_results_used() -> None:
    asked = model().bind_tools([multiply])
    question = HumanMessage("What is 17 times 24?")
    called = await asked.ainvoke([question])
    assert [(call["name"], call["args"]) for call in called.tool_calls] == [("multiply", {"a": 17, "b": 24})]
    chunks = [chunk async for chunk in asked.astream([question]) if isinstance(chunk, AIMessageChunk)]
    assert (chunks[0] + chunks[1]).tool_calls == called.tool_calls
    result = ToolMessage("408", tool_call_id=str(called.tool_calls[0]["id"]))
    assert (await asked.ainvoke([question, called, result])).text.endswith("Answer: 408")


@pytest.mark.parametrize("choice", ["any", "required", "multiply", True])
async def test_a_tool_choice_is_passed_on(choice: Any) -> None:
    called = await model().bind_tools([multiply], tool_choice=choice).ainvoke("Hello")
    assert called.tool_calls[0]["name"] == "multiply"


async def test_a_status_fault_raises_what_it_would_answer() -> None:
    asked = model({"kind": "status", "status": 429, "retry_after": 2, "first": 1})
    with pytest.raises(SimulatedFault) as struck:
        await asked.ainvoke(QUESTION)
    assert struck.value.response.headers["retry-after"] == "2"
    assert (await asked.ainvoke(QUESTION)).text.endswith(ANSWER)


async def test_copies_of_a_model_count_requests_together() -> None:
    asked = model({"kind": "status", "status": 500, "first": 1})
    copy = asked.model_copy(update={"temperature": 0.1})
    with pytest.raises(SimulatedFault):
        await asked.ainvoke(QUESTION)
    assert (await copy.ainvoke(QUESTION)).text.endswith(ANSWER)


async def test_a_reset_is_a_connection_error() -> None:
    with pytest.raises(ConnectionResetError):
        await model({"kind": "reset"}).ainvoke(QUESTION)


async def test_a_malformed_body_is_a_decoding_error() -> None:
    with pytest.raises(json.JSONDecodeError):
        await model({"kind": "malformed"}).ainvoke(QUESTION)


async def test_a_broken_stream_stops_in_the_middle() -> None:
    heard: list[str] = []

    async def listen() -> None:
        async for chunk in model({"kind": "broken_stream"}).astream(QUESTION):
            heard.append(chunk.text)  # noqa: PERF401

    with pytest.raises(ConnectionError):
        await listen()
    assert "".join(heard)
    assert ANSWER not in "".join(heard)


@pytest.mark.virtual_clock
async def test_a_hanging_model_waits_until_it_is_cancelled() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3600):
            await model({"kind": "hang"}).ainvoke(QUESTION)


def test_a_hanging_model_does_not_block_a_thread() -> None:
    with pytest.raises(TimeoutError, match="asynchronously"):
        model({"kind": "hang"}).invoke(QUESTION)


async def test_a_refusal_and_an_empty_answer_are_told_apart() -> None:
    refused = await model({"kind": "refusal"}).ainvoke(QUESTION)
    empty = await model({"kind": "empty"}).ainvoke(QUESTION)
    assert (refused.text, empty.text) == ("", "")
    assert "refusal" in refused.additional_kwargs
    assert "refusal" not in empty.additional_kwargs


def test_tracing_and_caching_know_which_model_it_is() -> None:
    one, other = model(), SimulatedChatModel(simulation=instant("other"))
    assert one._get_ls_params()["ls_provider"] == "sim"
    assert one._get_ls_params()["ls_model_name"] == "tester"
    assert one._identifying_params != other._identifying_params
    assert one.profile == {"max_input_tokens": 128_000, "tool_calling": True, "structured_output": True}
