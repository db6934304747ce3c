"""The one reader of runs: everything a run tells, in order, and nothing left of one that is given up."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any, cast

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver

from moa_graph import OptionsError, RunFailed, TooFewProposals, create_moa
from moa_graph.graph import Compiled
from moa_graph.options import AnswerSettings
from moa_graph.response_format import ResponseFormat
from moa_graph.runs import Outcome, Token, follow, run
from tests.models_for_tests import Reply, ScriptedModel, provider_error, scripted
from tests.virtual_clock import run_virtual

WHY = [("user", "Why?")]


def a_mixture(*writing: Any, delay: float = 0.0, **choices: Any) -> Compiled:
    writer = scripted("writer", *(writing or ("because of it",)), delay=delay)
    return create_moa(proposers=[scripted("a", delay=delay), scripted("b")], aggregator=writer, **choices).compile()


async def parts_of(graph: Compiled, **asked: Any) -> tuple[list[str], str, Outcome]:
    """Types of the events, the tokens that stand after the last reset, and the outcome."""
    types: list[str] = []
    text, outcome = "", None
    async with aclosing(follow(graph, WHY, **asked)) as parts:
        async for part in parts:
            assert outcome is None, "the outcome is last"
            if isinstance(part, Outcome):
                outcome = part
            elif isinstance(part, Token):
                text += part.text
            else:
                types.append(part["type"])
                text = "" if part["type"] == "reset" else text
    assert outcome is not None
    return types, text, outcome


async def test_a_run_is_told_in_events_and_tokens_and_ends_with_its_outcome() -> None:
    types, text, outcome = await parts_of(a_mixture())

    assert (types[0], types[-1]) == ("run_started", "run_finished")
    assert text == outcome.answer == outcome.message.text == "because of it"
    assert [record["slot"] for record in outcome.records] == ["a", "b", "writer"]
    assert outcome.report["calls"] == 3


async def test_a_run_of_its_own_gives_the_same_outcome_and_streams_nothing() -> None:
    outcome = await run(a_mixture(), WHY)
    assert (outcome.answer, outcome.report["calls"]) == ("because of it", 3)


async def test_a_graph_that_gives_its_parent_messages_alone_is_read_whole() -> None:
    outcome = await run(a_mixture(only_messages=True), WHY)
    assert outcome.report["calls"] == len(outcome.records) == 3


async def test_where_the_answer_begins_anew_the_tokens_after_the_reset_are_the_answer() -> None:
    broken = Reply(pieces=["half ", "of"], error=provider_error(503))
    types, text, outcome = await parts_of(a_mixture(broken, "the whole answer"))

    assert types.count("reset") == 1
    assert text == outcome.answer == "the whole answer"


async def test_where_another_answer_takes_the_place_of_the_streamed_one_a_reset_says_so() -> None:
    broken = Reply(pieces=["half ", "of"], error=provider_error(401))
    types, text, outcome = await parts_of(a_mixture(broken))

    assert types.count("reset") == 1
    assert (text, outcome.answer) == ("", "a's answer")
    assert outcome.report["degraded"]


async def test_options_and_what_is_asked_of_the_answer_reach_the_run() -> None:
    response_format = ResponseFormat(
        "Sum", {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}
    )
    graph = a_mixture('{"sum": 4}')
    outcome = await run(
        graph, WHY, options={"proposers": ["a"]}, answer=AnswerSettings(response_format=response_format)
    )

    assert outcome.answer == '{"sum": 4}'
    assert [record["slot"] for record in outcome.records] == ["a", "writer"]
    with pytest.raises(OptionsError, match="quorum"):
        await run(graph, WHY, options={"quorum": 0}, answer=AnswerSettings(response_format=response_format))


async def test_the_callers_messages_stay_as_they_are() -> None:
    asked = HumanMessage("Why?")
    await run(a_mixture(), [asked])
    assert asked.id is None


async def test_a_thread_goes_on_where_it_failed() -> None:
    models = [scripted("a", provider_error(401), "a, asked again"), scripted("b")]
    graph = create_moa(
        {"stages": [{"propose": {"slots": models}}, {"aggregate": {"slot": scripted("w")}}], "min_live": 2}
    ).compile(checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}
    with pytest.raises(TooFewProposals):
        await run(graph, WHY, config=thread)

    outcome = await run(graph, None, config=thread)

    assert [record["text"] for record in outcome.records] == ["a, asked again", "b's answer", "w's answer"]


async def test_a_run_that_stops_at_an_interrupt_has_no_outcome_and_says_so() -> None:
    graph = create_moa(proposers=[scripted("a")], aggregator=scripted("w")).compile(
        checkpointer=InMemorySaver(), interrupt_before=["aggregate"]
    )
    thread: Any = {"configurable": {"thread_id": "1"}}
    with pytest.raises(RunFailed, match="before its answer"):
        await run(graph, WHY, config=thread)
    assert (await run(graph, None, config=thread)).answer == "w's answer"


def test_many_runs_side_by_side_keep_their_parts_apart() -> None:
    graph = create_moa(
        proposers=[scripted("a", lambda asked: Reply(asked.text, delay=asked.number % 3))],
        aggregator=scripted("w", lambda asked: Reply(asked.messages[-1].text, delay=asked.number % 5)),
    ).compile()

    async def answer(number: int) -> str:
        async with aclosing(follow(graph, [("user", f"question {number}")])) as parts:
            return "".join([part.text async for part in parts if isinstance(part, Token)])

    async def all_of_them() -> list[str]:
        return await asyncio.gather(*map(answer, range(40)))

    assert run_virtual(all_of_them) == [f"question {number}" for number in range(40)]


@pytest.mark.parametrize("left", ["cancelled", "closed", "not read"])
@pytest.mark.parametrize("moment", [0.5, 1.5, 2.5])
def test_nothing_is_left_of_a_run_that_is_given_up(left: str, moment: float) -> None:
    async def first_part(parts: Any) -> None:
        async with aclosing(parts):
            async for _ in parts:
                if left == "closed" and asyncio.get_running_loop().time() > moment:
                    return
                if left == "not read":
                    await asyncio.sleep(moment)
                    return

    async def give_up() -> list[ScriptedModel]:
        writer = scripted("writer", Reply(pieces=["1 ", "2 ", "3 "], delay=1, between=1))
        models = [scripted("a", delay=1), scripted("b", delay=1), writer]
        graph = create_moa(proposers=models[:2], aggregator=writer).compile()
        reading = asyncio.create_task(first_part(follow(graph, WHY)))
        if left == "cancelled":
            await asyncio.sleep(moment)
            reading.cancel()
        await asyncio.wait([reading])
        others = cast(Any, asyncio.all_tasks() - {asyncio.current_task()})
        assert not others
        return models

    models = run_virtual(give_up)
    assert [model.journal.in_flight for model in models] == [0, 0, 0]
    assert sum(model.journal.cancelled for model in models) > 0 or left != "cancelled"
