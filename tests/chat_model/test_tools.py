"""Who calls tools, who is shown what of them, and when the panel is asked."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from moa_graph import BudgetTooSmall, ChatMoA, MixtureError, Options, OptionsError, create_moa
from tests.models_for_tests import ScriptedModel, calling, provider_error, scripted

QUESTION = HumanMessage("What is 17 * 24 + 3?")
STEP = calling("multiply", a=17, b=24)
RESULT = ToolMessage("408", tool_call_id="call_1")


def multiply(a: int, b: int) -> int:
    """Multiplies two numbers."""
    return a * b


def writer(*replies: AIMessage) -> ScriptedModel:
    return scripted("writer", *(replies or [STEP]))


async def tool_call(model: ChatMoA, *before: BaseMessage) -> list[BaseMessage]:
    """The conversation up to the first tool's result."""
    messages = [*before, QUESTION]
    return [*messages, await model.bind_tools([multiply]).ainvoke(messages), RESULT]


async def test_only_the_aggregator_is_offered_tools() -> None:
    proposer, closing = scripted("p", AIMessage("408")), writer()
    answer = await ChatMoA(proposers=[proposer], aggregator=closing).bind_tools([multiply]).ainvoke([QUESTION])
    assert answer.tool_calls == STEP.tool_calls
    assert answer.response_metadata["finish_reason"] == "tool_calls"
    assert "tools" not in proposer.journal.asked[0].settings
    assert [tool["function"]["name"] for tool in closing.journal.asked[0].settings["tools"]] == ["multiply"]


async def test_how_tools_are_chosen_reaches_the_aggregator() -> None:
    closing = writer()
    model = ChatMoA(proposers=["sim:instant"], aggregator=closing)
    bound = model.bind_tools([multiply], tool_choice="multiply", parallel_tool_calls=False, strict=True)
    await bound.ainvoke([QUESTION])
    offered = closing.journal.asked[0].settings
    assert (offered["tool_choice"], offered["parallel_tool_calls"], offered["strict"]) == ("multiply", False, True)
    assert offered["tools"][0]["function"]["strict"] is True


async def test_proposers_are_shown_tool_calls_and_results_as_text() -> None:
    proposer = scripted("p")
    model = ChatMoA(proposers=[proposer], aggregator=writer(STEP, AIMessage("411")), advise="every_call")
    await model.bind_tools([multiply]).ainvoke(await tool_call(model))
    (shown,) = proposer.journal.asked[1].messages
    assert isinstance(shown, HumanMessage)
    assert shown.text.startswith(QUESTION.text)
    assert 'multiply({"a": 17, "b": 24})\n408' in shown.text


async def test_the_aggregator_is_shown_tool_messages_as_they_are() -> None:
    closing = writer(STEP, AIMessage("411"))
    model = ChatMoA(proposers=["sim:instant"], aggregator=closing)
    await model.bind_tools([multiply]).ainvoke(await tool_call(model))
    assert [message.type for message in closing.journal.asked[1].messages] == ["system", "human", "ai", "tool"]


async def test_without_tools_at_hand_nobody_is_shown_tool_messages() -> None:
    closing = scripted("w", AIMessage("411"))
    graph = create_moa(proposers=["sim:instant"], aggregator=closing).compile()
    await graph.ainvoke({"messages": [QUESTION, STEP, RESULT]})
    assert [message.type for message in closing.journal.asked[0].messages] == ["system", "human"]


async def test_with_tools_for_all_a_proposed_call_is_shown_as_text() -> None:
    proposer, closing = scripted("p", STEP), writer()
    model = ChatMoA(proposers=[proposer], aggregator=closing, tools="all")
    answer = await model.bind_tools([multiply]).ainvoke([QUESTION])
    assert "tools" in proposer.journal.asked[0].settings
    assert 'multiply({"a": 17, "b": 24})' in closing.journal.asked[0].messages[0].text
    assert len(answer.tool_calls) == 1


@pytest.mark.parametrize(
    ("advise", "in_the_loop", "in_the_next_turn"),
    [("user_turn", 1, 2), ("first_call", 1, 1), ("every_call", 2, 3)],
)
async def test_when_the_panel_is_asked(
    advise: Literal["user_turn", "first_call", "every_call"], in_the_loop: int, in_the_next_turn: int
) -> None:
    proposer = scripted("p")
    model = ChatMoA(proposers=[proposer], aggregator=writer(STEP, AIMessage("411")), advise=advise)
    messages = await tool_call(model)
    messages.append(await model.bind_tools([multiply]).ainvoke(messages))
    assert len(proposer.journal.asked) == in_the_loop
    await model.bind_tools([multiply]).ainvoke([*messages, HumanMessage("And now?")])
    assert len(proposer.journal.asked) == in_the_next_turn


async def test_the_advice_given_at_first_is_shown_in_the_loop() -> None:
    closing = writer(STEP, AIMessage("411"))
    model = ChatMoA(proposers=[scripted("p", "I would multiply first.")], aggregator=closing)
    await model.bind_tools([multiply]).ainvoke(await tool_call(model))
    assert "I would multiply first." in closing.journal.asked[1].messages[0].text


async def test_a_failed_proposer_is_not_asked_again_in_the_loop() -> None:
    failing = scripted("failing", provider_error(400))
    model = ChatMoA(proposers=[failing, "sim:instant"], aggregator=writer(STEP, AIMessage("411")))
    answer = await model.bind_tools([multiply]).ainvoke(await tool_call(model))
    assert len(failing.journal.asked) == 1
    assert answer.response_metadata["report"]["calls"] == 1


async def test_later_layers_are_not_asked_again_either() -> None:
    model = ChatMoA(proposers=["sim:instant"], aggregator=writer(STEP, AIMessage("411")), layers=4)
    answer = await model.bind_tools([multiply]).ainvoke(await tool_call(model))
    report = answer.response_metadata["report"]
    assert (report["calls"], report["saved"]["answers"]) == (1, 3)


@pytest.mark.parametrize("other", ["another mixture", "another system message"])
async def test_advice_for_somebody_else_is_not_gone_by(other: str) -> None:
    proposer = scripted("p")
    models: dict[str, Any] = {"proposers": [proposer], "aggregator": writer(STEP, STEP, AIMessage("411"))}
    messages = await tool_call(ChatMoA(**models), SystemMessage("You are Alice."))
    if other == "another system message":
        messages[0] = SystemMessage("You are Bob.")
    name = "other" if other == "another mixture" else None
    await ChatMoA(**models, name=name).bind_tools([multiply]).ainvoke(messages)
    assert len(proposer.journal.asked) == 2


@pytest.mark.parametrize("said", ["text", {"stage": "layer_1"}, [5], [{}], [{"stage": "layer_1"}], None])
@pytest.mark.parametrize("within", [True, False])
async def test_what_a_message_from_outside_calls_advice_is_no_error(said: Any, within: bool) -> None:
    proposer = scripted("p")
    model = ChatMoA(
        proposers=[proposer], aggregator=writer(STEP, AIMessage("411"), AIMessage("411")), keep_advice="in_message"
    )
    messages = await tool_call(model)
    advice = messages[-2].response_metadata["advice"]
    messages[-2].response_metadata["advice"] = {**advice, "records": said} if within else said
    assert (await model.ainvoke(messages)).text == "411"
    assert len(proposer.journal.asked) == 2


async def test_a_tool_call_that_cannot_be_read_is_asked_for_again() -> None:
    broken = AIMessage(
        "",
        invalid_tool_calls=[
            {"name": "multiply", "args": '{"a": 1', "id": "x", "error": None, "type": "invalid_tool_call"}
        ],
    )
    closing = writer(broken, STEP)
    answer = await ChatMoA(proposers=["sim:instant"], aggregator=closing).bind_tools([multiply]).ainvoke([QUESTION])
    assert answer.tool_calls == STEP.tool_calls
    assert answer.response_metadata["report"]["failed_calls"] == 0
    assert len(closing.journal.asked) == 2


async def test_an_aggregator_without_tools_gives_way_to_its_fallback() -> None:
    stages = [
        {"propose": {"slots": ["sim:instant"]}},
        {"aggregate": {"slot": scripted("plain"), "fallbacks": [writer()]}},
    ]
    answer = await ChatMoA({"stages": stages}).bind_tools([multiply]).ainvoke([QUESTION])
    assert answer.tool_calls == STEP.tool_calls


async def test_an_early_end_goes_to_the_aggregator_where_tools_are_at_hand() -> None:
    stages: list[Any] = [
        {"propose": {"slots": [{"model": "sim:instant", "samples": 3}]}},
        {"vote": {"tie": "escalate"}},
        {"aggregate": {"slot": writer()}},
    ]
    model = ChatMoA({"stages": stages})
    assert (await model.ainvoke([QUESTION])).response_metadata["report"]["ended_early"]
    assert (await model.bind_tools([multiply]).ainvoke([QUESTION])).tool_calls == STEP.tool_calls


def test_a_mixture_that_only_chooses_takes_no_tools() -> None:
    model = ChatMoA({"stages": [{"propose": {"slots": ["sim:instant", "sim:swift"]}}, {"vote": {}}]})
    with pytest.raises(MixtureError, match="its last stage, vote, chooses an answer"):
        model.bind_tools([multiply])


async def test_tools_count_in_the_budget() -> None:
    stages = [{"propose": {"slots": ["small"]}}, {"aggregate": {"slot": "small"}}]
    model = ChatMoA(
        {"models": {"small": {"model": "sim:instant", "max_tokens": 50}}, "stages": stages, "budget": {"tokens": 1_200}}
    )
    assert (await model.ainvoke([QUESTION])).text.endswith("411")

    described = {"name": "long", "description": "x" * 1_000, "parameters": {"type": "object", "properties": {}}}
    with pytest.raises(BudgetTooSmall, match="tokens"):
        await model.bind_tools([described]).ainvoke([QUESTION])


def test_what_a_caller_asks_of_the_answer_is_no_run_time_option() -> None:
    with pytest.raises(OptionsError, match="there is no such option"):
        Options(answer={"tools": []})
    with pytest.raises(OptionsError, match="there is no such option"):
        Options(_answer={"tools": []})
