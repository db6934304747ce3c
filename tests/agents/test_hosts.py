"""What hosts, agents and parent graphs do with a mixture, and no user would: contexts of their own, turns of others."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware, ModelRetryMiddleware
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from typing_extensions import TypedDict

from moa_graph import ChatMoA, InputError, OptionsError, RunFailed, TooFewProposals, create_moa
from moa_graph.options import Options
from tests.models_for_tests import ProviderError, Reply, ScriptedModel, calling, provider_error, scripted
from tests.virtual_clock import run_virtual

WHY: Any = {"messages": [("user", "Why?")]}


def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


def mixture(**choices: Any) -> Any:
    return create_moa(proposers=[scripted("a"), scripted("b")], aggregator=scripted("w"), name="mine", **choices)


def slots(result: dict[str, Any]) -> list[str]:
    return [record["slot"] for record in result["records"]]


@pytest.mark.parametrize(
    "context",
    [
        {"user_id": "u1"},
        {"thread_id": "t", "checkpoint_ns": "", "langgraph_request_id": "r", "assistant_id": "x"},
        {"token": "of the host's own login", "temper": 1, "model_name": "gpt", "colour": "red"},
    ],
)
async def test_what_a_host_puts_into_the_context_is_passed_over(context: dict[str, Any]) -> None:
    result = await mixture().compile().ainvoke(WHY, context={**context, "proposers": ["b"]})
    assert slots(result) == ["b", "w"]


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [("agregator", "aggregator"), ("proposer", "proposers"), ("dead_line", "deadline"), ("quorom", "quorum")],
)
async def test_a_misspelt_option_is_told(misspelt: str, meant: str) -> None:
    with pytest.raises(OptionsError, match=f"{misspelt}: there is no such option; did you mean {meant}"):
        await mixture().compile().ainvoke(WHY, context={"user_id": "u1", misspelt: 1})
    with pytest.raises(OptionsError, match="token: there is no such option; did you mean tokens"):
        await mixture().compile().ainvoke(WHY, context={"token": 500})


async def test_under_a_key_of_our_own_everything_must_be_known() -> None:
    graph = mixture().compile()
    result = await graph.ainvoke(WHY, context={"user_id": "u1", "moa": {"proposers": ["b"]}})
    assert slots(result) == ["b", "w"]
    with pytest.raises(OptionsError, match="colour: there is no such option"):
        await graph.ainvoke(WHY, context={"moa": {"colour": "red"}})
    with pytest.raises(OptionsError, match="isn't a mapping"):
        await graph.ainvoke(WHY, {"configurable": {"moa": "b"}})


class Context(TypedDict, total=False):
    user_id: str
    proposers: str
    moa: Any


def parent(inner: Any) -> Any:
    graph = StateGraph[Any, Any, Any, Any](MessagesState, context_schema=Context)
    graph.add_node("inner", inner.compile()).add_edge(START, "inner")
    return graph.compile()


async def inner_slots(graph: Any, *given: Any, **run: Any) -> set[str]:
    """The slots that were asked in a subgraph."""
    told = [event async for _, event in graph.astream(WHY, *given, stream_mode="custom", subgraphs=True, **run)]
    return {event["slot"] for event in told if event["type"] == "call_started"}


async def test_a_subgraph_takes_its_options_from_its_parents_context_or_configuration_under_our_key() -> None:
    graph = parent(mixture())
    assert await inner_slots(graph, context={"proposers": "somebody"}) == {"a", "b", "w"}
    assert await inner_slots(graph, context={"user_id": "u1", "moa": {"proposers": ["b"]}}) == {"b", "w"}
    assert await inner_slots(graph, context={"moa": Options(proposers=("b",))}) == {"b", "w"}
    assert await inner_slots(graph, {"configurable": {"moa": {"proposers": ["a"]}}}) == {"a", "w"}
    assert await inner_slots(graph, context={"moa:mine": {"proposers": ["a"]}}) == {"a", "w"}
    assert await inner_slots(graph, {"configurable": {"moa:other": {"proposers": ["a"]}}}) == {"a", "b", "w"}
    with pytest.raises(OptionsError, match="agregator"):
        await inner_slots(graph, context={"moa": {"agregator": "w"}})


async def test_a_graph_has_options_for_every_run_that_chooses_no_other() -> None:
    graph = mixture(options={"proposers": ["a"]})
    assert slots(await graph.compile().ainvoke(WHY)) == ["a", "w"]
    assert slots(await graph.compile().ainvoke(WHY, context={"proposers": ["b"]})) == ["b", "w"]
    assert slots(await graph.compile().ainvoke(WHY, context={"temperature": 0.1})) == ["a", "w"]
    assert await inner_slots(parent(graph)) == {"a", "w"}
    assert await inner_slots(parent(graph), context={"moa": {"proposers": ["b"]}}) == {"b", "w"}
    with pytest.raises(OptionsError, match="quorum"):
        mixture(options={"quorum": 9})


async def test_a_system_prompt_and_the_writers_temperature_may_be_chosen_for_a_run() -> None:
    proposer, writer = scripted("p"), scripted("w")
    graph = create_moa(proposers=[proposer], aggregator=writer).compile()
    result = await graph.ainvoke(WHY, context={"system_prompt": "Be brief.", "temperature": 0.1})
    (asked,) = proposer.journal.asked
    assert [(one.type, one.text) for one in asked.messages] == [("system", "Be brief."), ("human", "Why?")]
    assert writer.journal.asked[0].messages[0].text.startswith("Be brief.\n\n")
    assert [message.type for message in result["messages"]] == ["human", "ai"]
    told: Any = {"messages": [("system", "You are a pirate."), ("user", "Why?")]}
    await graph.ainvoke(told, context={"system_prompt": "Be brief."})
    assert proposer.journal.asked[1].messages[0].text == "Be brief.\n\nYou are a pirate."
    voting = create_moa({"stages": [{"propose": {"slots": [proposer]}}, {"vote": {}}]}).compile()
    with pytest.raises(OptionsError, match="temperature: no model writes the answer in vote"):
        await voting.ainvoke(WHY, context={"temperature": 0.1})


async def test_a_failed_turn_keeps_the_users_question() -> None:
    proposer = scripted("p", provider_error(401), "an answer")
    graph = create_moa(proposers=[proposer], aggregator=scripted("w")).compile(checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}
    with pytest.raises(TooFewProposals):
        await graph.ainvoke({"messages": [("user", "What is 3 + 4?")]}, thread)

    result = await graph.ainvoke({"messages": [("user", "Please try again.")]}, thread)

    texts = ["What is 3 + 4?", "Please try again."]
    assert [message.text for message in proposer.journal.asked[-1].messages] == texts
    assert [message.text for message in result["messages"]] == [*texts, "w's answer"]


WITHOUT_A_USER = {
    "ends with an assistant": [HumanMessage("Why?"), AIMessage("Because.", name="other")],
    "ends with two": [HumanMessage("Why?"), AIMessage("Because."), AIMessage("And so.")],
    "a system message alone": [SystemMessage("Write a haiku.")],
    "an assistant alone": [AIMessage("Hello!")],
}


@pytest.mark.parametrize("messages", WITHOUT_A_USER.values(), ids=WITHOUT_A_USER)
@pytest.mark.parametrize("references", ["system", "after"])
async def test_conversations_without_a_users_last_word_are_answered(messages: list[Any], references: str) -> None:
    proposer, writer = scripted("p"), scripted("w")
    stages = [{"propose": {"slots": [proposer]}}, {"aggregate": {"slot": writer, "references": references}}]
    answer = await ChatMoA({"stages": stages}).ainvoke(messages)
    assert answer.text == "w's answer"
    shown = [(message.type, message.text) for message in proposer.journal.asked[0].messages]
    assert shown == [(message.type, message.text) for message in messages]
    assert any("p's answer" in message.text for message in writer.journal.asked[0].messages)
    assert (await ChatMoA("moa-lite", simulate=True).ainvoke(messages)).text


async def test_agents_take_turns_on_one_conversation() -> None:
    first = create_agent(ChatMoA(proposers=[scripted("a")], aggregator=scripted("w", "one")), [])
    second = create_agent(ChatMoA(proposers=[scripted("a")], aggregator=scripted("w", "two")), [])
    graph = StateGraph[Any, Any, Any, Any](MessagesState)
    graph.add_sequence([("first", first), ("second", second), ("mixture", mixture(only_messages=True).compile())])
    graph.add_edge(START, "first")
    result = await graph.compile().ainvoke(WHY)
    assert [message.text for message in result["messages"]] == ["Why?", "one", "two", "w's answer"]


async def test_a_call_of_tools_without_its_results_is_refused() -> None:
    with pytest.raises(InputError, match="add their results"):
        await mixture().compile().ainvoke({"messages": [HumanMessage("Why?"), calling("add", a=1, b=2)]})


def failing(*replies: Any, **fields: Any) -> ChatMoA:
    return ChatMoA(proposers=[scripted("p", "a proposal")], aggregator=scripted("w", *replies), **fields)


class Sum(TypedDict):
    """A sum."""

    sum: int


ASKED = {
    "tools": lambda model: model.bind_tools([add]),
    "a tool that must be called": lambda model: model.bind_tools([add], tool_choice="any"),
    "a form": lambda model: model.with_structured_output(Sum),
}


def writer_that_fails(error: Exception) -> ScriptedModel:
    return scripted("w", error, takes_tools=True)


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
async def test_where_prose_will_not_do_the_providers_own_error_comes_out(asked: Any) -> None:
    writer = writer_that_fails(provider_error(401, "no such key"))
    model = ChatMoA(proposers=[scripted("p", "a proposal")], aggregator=writer)
    with pytest.raises(ProviderError, match="no such key") as raised:
        await asked(model).ainvoke("Why?")
    assert raised.value.status_code == 401
    with pytest.raises(ProviderError):
        assert [chunk async for chunk in asked(model).astream("Why?")]
    with pytest.raises(ProviderError):
        asked(model).invoke("Why?")


async def test_for_a_text_a_proposal_stands_in_unless_an_error_is_wanted() -> None:
    assert (await failing(provider_error(401)).ainvoke("Why?")).text == "a proposal"
    with pytest.raises(ProviderError):
        await failing(provider_error(401), on_degraded="raise").ainvoke("Why?")
    with pytest.raises(RunFailed, match="empty"):
        await failing(Reply(""), on_degraded="raise").ainvoke("Why?")
    assert (await failing("fine", on_degraded="raise").ainvoke("Why?")).text == "fine"


async def test_a_layer_that_is_missing_is_an_error_where_one_is_wanted() -> None:
    flaky = scripted("f", "here", provider_error(401))
    stages = [{"propose": {"slots": [flaky]}}, {"propose": {"slots": [flaky]}}, {"aggregate": {"slot": scripted("w")}}]
    with pytest.raises(RunFailed, match="would be degraded: layer_2 gave 0 live proposal"):
        await ChatMoA({"stages": stages}, on_degraded="raise").ainvoke("Why?")


def test_a_writer_that_is_too_late_is_a_timeout() -> None:
    async def ask() -> None:
        with pytest.raises(TimeoutError, match="no answer within 5 s"):
            await failing(Reply("late", delay=60), on_degraded="raise", timeout=5, max_retries=0).ainvoke("Why?")

    run_virtual(ask)


async def test_no_key_stands_in_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "sk-a-key-that-is-private")
    with pytest.raises(ProviderError) as raised:
        await failing(provider_error(401, "sk-a-key-that-is-private is wrong"), on_degraded="raise").ainvoke("Why?")
    assert "private" not in repr(raised.value.args)


async def test_fallbacks_and_retries_of_langchain_see_what_they_know() -> None:
    good = ChatMoA(proposers=[scripted("p")], aggregator=scripted("w", AIMessage("good")))
    bad = ChatMoA(proposers=[scripted("p")], aggregator=writer_that_fails(provider_error(401)))
    caught = bad.bind_tools([add]).with_fallbacks([good.bind_tools([add])], exceptions_to_handle=(ProviderError,))
    assert (await caught.ainvoke("Why?")).text == "good"
    tried = scripted("w", provider_error(401), "at last")
    again = ChatMoA(proposers=[scripted("p")], aggregator=tried, on_degraded="raise")
    with_retry = again.with_retry(retry_if_exception_type=(ProviderError,), wait_exponential_jitter=False)
    assert (await with_retry.ainvoke("Why?")).text == "at last"


async def test_an_agents_middleware_retries_and_falls_back() -> None:
    flaky = ChatMoA(proposers=[scripted("p")], aggregator=writer_that_fails(provider_error(401)))
    good = ChatMoA(proposers=[scripted("p")], aggregator=scripted("w", AIMessage("good")))
    agent: Any = create_agent(flaky, [add], middleware=[ModelFallbackMiddleware(good)])
    assert (await agent.ainvoke(WHY))["messages"][-1].text == "good"
    seen: list[Exception] = []

    def once(error: Exception) -> bool:
        seen.append(error)
        return isinstance(error, ProviderError)

    retrying = ModelRetryMiddleware(max_retries=2, retry_on=once, initial_delay=0, jitter=False, on_failure="error")
    with pytest.raises(ProviderError):
        await create_agent(flaky, [add], middleware=[retrying]).ainvoke(WHY)
    assert len(seen) >= 2
