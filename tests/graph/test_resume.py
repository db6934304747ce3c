"""A turn that stopped, by failing or to wait for a person, goes on with what it had."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import StateGraph
from langgraph.types import Command, interrupt

from moa_graph import create_moa
from moa_graph.description import Slot
from moa_graph.errors import TooFewProposals
from moa_graph.registry import KINDS
from moa_graph.stages import (
    BoundSlot,
    BoundStage,
    FanOut,
    MoaState,
    Node,
    Prompt,
    RunContext,
    Stage,
    closing_update,
    register,
)
from tests.models_for_tests import Reply, ScriptedModel, provider_error, scripted

CONFIG: RunnableConfig = {"configurable": {"thread_id": "one"}}
QUESTION: Any = {"messages": [("user", "a question")]}
HOUR = 3600


def asked(*models: ScriptedModel) -> list[int]:
    return [len(model.journal.asked) for model in models]


@pytest.fixture
def own_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kinds of stage that a test makes known are forgotten after it."""
    monkeypatch.setattr(KINDS, "_known", dict(KINDS._known))


@pytest.mark.virtual_clock
async def test_a_failed_turn_that_goes_on_asks_only_the_failed_slots() -> None:
    good, bad, worse = (
        scripted("good"),
        scripted("bad", provider_error(401), "better"),
        scripted("worse", provider_error(401)),
    )
    writer = scripted("writer", "written")
    data = {"stages": [{"propose": {"slots": [good, bad, worse]}}, {"aggregate": {"slot": writer}}], "min_live": 2}
    graph = create_moa(data).compile(checkpointer=InMemorySaver())
    with pytest.raises(TooFewProposals, match="worse: auth"):
        await graph.ainvoke(QUESTION, CONFIG)
    result = await graph.ainvoke(None, CONFIG)
    assert asked(good, bad, worse, writer) == [1, 2, 2, 1]
    assert result["messages"][-1].text == "written"
    assert result["report"]["calls"] == 6
    assert [message.type for message in result["messages"]] == ["human", "ai"]


@pytest.mark.virtual_clock
async def test_a_turn_may_fail_again_and_still_go_on() -> None:
    bad = scripted("bad", provider_error(401), provider_error(401), "better")
    graph = create_moa(proposers=[bad], aggregator=scripted("writer", "written")).compile(checkpointer=InMemorySaver())
    for question in (QUESTION, None):
        with pytest.raises(TooFewProposals):
            await graph.ainvoke(question, CONFIG)
    result = await graph.ainvoke(None, CONFIG)
    assert result["messages"][-1].text == "written"
    assert asked(bad) == [3]


@pytest.mark.virtual_clock
async def test_a_turn_that_goes_on_has_what_is_left_of_its_budget() -> None:
    bad = scripted("bad", provider_error(500))
    data = {
        "stages": [{"propose": {"slots": [{"model": bad, "tries": 2}]}}, {"aggregate": {"slot": scripted("writer")}}],
        "budget": {"calls": 4},
    }
    graph = create_moa(data).compile(checkpointer=InMemorySaver())
    for question in (QUESTION, None):
        with pytest.raises(TooFewProposals):
            await graph.ainvoke(question, CONFIG)
    assert asked(bad) == [3], "one of four is the answer's"


@pytest.mark.virtual_clock
async def test_a_person_may_edit_before_a_join() -> None:
    slow, writer = scripted("slow", delay=5), scripted("writer", "written")
    data = {
        "stages": [{"propose": {"slots": [scripted("quick"), slow]}}, {"aggregate": {"slot": writer}}],
        "budget": {"deadline": 60},
    }
    graph = create_moa(data).compile(checkpointer=InMemorySaver(), interrupt_before=["layer_1/join"])
    waiting = await graph.ainvoke(QUESTION, CONFIG)
    edited = {**waiting["records"][0], "text": "edited by a person"}
    await asyncio.sleep(HOUR)
    state = await graph.aget_state(CONFIG)
    assert state.next == ("layer_1/join",)
    await graph.aupdate_state(CONFIG, {"records": [edited]}, as_node="layer_1/slow")
    result = await graph.ainvoke(None, CONFIG)
    assert "edited by a person" in writer.journal.asked[0].messages[0].text
    assert result["report"]["degraded"] == []
    assert result["report"]["seconds"] == pytest.approx(5)
    assert asked(slow, writer) == [1, 1]


@pytest.mark.usefixtures("own_kinds")
@pytest.mark.parametrize("door", ["ainvoke", "invoke"])
async def test_a_stage_may_wait_for_a_person(door: str) -> None:
    @register
    class Approve(Stage):
        kind: ClassVar[str] = "approve"

        def add_to(self, graph: StateGraph[Any, Any, Any, Any], bound: BoundStage) -> tuple[list[str], str]:
            async def ask(state: MoaState, config: RunnableConfig) -> dict[str, Any]:
                verdict = interrupt("Go on?")
                update = closing_update(RunContext.of(bound, state), 0.0)
                return {**update, "turn": {**update["turn"], "degraded": [f"a person said {verdict}"]}}

            graph.add_node(bound.name, Node(ask))
            return [bound.name], bound.name

    proposer, writer = scripted("a"), scripted("writer", "written")
    data = {"stages": [{"propose": {"slots": [proposer]}}, {"approve": {}}, {"aggregate": {"slot": writer}}]}
    graph = create_moa(data).compile(checkpointer=InMemorySaver())

    async def run(given: Any) -> Any:
        return await graph.ainvoke(given, CONFIG) if door == "ainvoke" else graph.invoke(given, CONFIG)

    waiting = await run(QUESTION)
    assert waiting["__interrupt__"][0].value == "Go on?"
    assert asked(proposer, writer) == [1, 0]
    result = await run(Command(resume="yes"))
    assert result["report"]["degraded"] == ["a person said yes"]
    assert result["messages"][-1].text == "written"
    assert asked(proposer, writer) == [1, 1]


@pytest.mark.usefixtures("own_kinds")
@pytest.mark.virtual_clock
async def test_a_slot_may_wait_for_a_person_while_its_siblings_work() -> None:
    @register
    class Consulted(FanOut):
        kind: ClassVar[str] = "consulted"
        proposes: ClassVar[bool] = True
        shown: ClassVar[bool] = True
        slots: tuple[Slot, ...]

        def all_slots(self) -> Sequence[Slot]:
            return self.slots

        def prompt(self, slot: BoundSlot, run: RunContext) -> Prompt:
            return Prompt(run.conversation)

        async def ask_slot(self, slot: BoundSlot, run: RunContext, config: RunnableConfig) -> Any:
            if slot.name == "consulted":
                interrupt("May it be asked?")
            return await super().ask_slot(slot, run, config)

    sibling, consulted, writer = scripted("sibling", Reply(delay=3)), scripted("consulted"), scripted("writer")
    data = {
        "stages": [{"consulted": {"slots": [sibling, consulted]}}, {"aggregate": {"slot": writer}}],
        "budget": {"deadline": 60},
    }
    moa = create_moa(data)
    graph = moa.compile(checkpointer=InMemorySaver())
    waiting = await graph.ainvoke(QUESTION, CONFIG)
    assert waiting["__interrupt__"]
    assert asked(sibling, consulted, writer) == [1, 0, 0]
    await asyncio.sleep(HOUR)
    result = await graph.ainvoke(Command(resume=True), CONFIG)
    assert asked(sibling, consulted, writer) == [1, 1, 1]
    assert [record["failure"] for record in result["records"]] == [None] * 3
    assert result["report"]["seconds"] < 60
