"""A stage ends as its quorum, grace, timeouts and deadline say, however its graph is run."""

from __future__ import annotations

import asyncio
import operator
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AnyMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict

from moa_graph import create_moa
from moa_graph.errors import TooFewProposals
from moa_graph.graph import MoaGraph
from tests.models_for_tests import Asked, Reply, provider_error, scripted
from tests.virtual_clock import run_virtual


@dataclass(frozen=True)
class Call:
    """One sample of a slot: what its model would do if it were let."""

    delay: float
    succeeds: bool


@dataclass(frozen=True)
class Schedule:
    """A stage whose times never coincide, so that it has one outcome."""

    slots: Sequence[Sequence[Call]]
    quorum: int | None
    grace: float
    timeout: float
    deadline: float | None


@dataclass(frozen=True)
class Outcome:
    """How each sample ends, and when the stage does."""

    kinds: dict[tuple[str, int], str]
    ends: float


def expected(schedule: Schedule, *, one_by_one: bool = False) -> Outcome:
    """The outcome, worked out on paper: no loop, no tasks."""
    named = [
        [((f"s{slot}", sample), call) for sample, call in enumerate(calls)] for slot, calls in enumerate(schedule.slots)
    ]
    groups = named if one_by_one else [[sample for slot in named for sample in slot]]
    closes = schedule.deadline * 2 / 3 if schedule.deadline is not None else float("inf")
    now, alive, kinds = 0.0, 0, {}
    for group in groups:
        ends = now
        for key, call in sorted(group, key=lambda sample: min(sample[1].delay, schedule.timeout)):
            natural = now + min(call.delay, schedule.timeout)
            if natural > closes or now >= closes:
                kinds[key] = "cut"
                ends = max(ends, closes)
                continue
            ends = max(ends, natural)
            kinds[key] = "timeout" if call.delay > schedule.timeout else "live" if call.succeeds else "auth"
            alive += kinds[key] == "live"
            if kinds[key] == "live" and alive == schedule.quorum:
                closes = min(closes, natural + schedule.grace)
        now = max(now, ends) if now < closes else now
    return Outcome(kinds, now)


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    sizes = draw(st.lists(st.integers(1, 2), min_size=1, max_size=5))
    total = sum(sizes)
    delays = [draw(st.integers(0, 9)) + 0.01 * (index + 1) for index in range(total)]
    calls = iter([Call(delay, draw(st.booleans())) for delay in delays])
    return Schedule(
        slots=[[next(calls) for _ in range(size)] for size in sizes],
        quorum=draw(st.none() | st.integers(1, total)),
        grace=draw(st.just(0.0) | st.integers(0, 4).map(lambda whole: whole + 0.003)),
        timeout=draw(st.integers(1, 12)) + 0.5,
        deadline=draw(st.none() | st.integers(1, 12).map(lambda whole: (whole + 0.7) * 3 / 2)),
    )


def graph_of(schedule: Schedule) -> MoaGraph:
    """The mixture of a schedule; its models do the same for every question."""
    slots = [{"model": _model(f"s{index}", calls), "samples": len(calls)} for index, calls in enumerate(schedule.slots)]
    propose: dict[str, Any] = {"slots": slots, "grace": schedule.grace, "timeout": schedule.timeout}
    if schedule.quorum is not None:
        propose["quorum"] = schedule.quorum
    data: dict[str, Any] = {"stages": [{"propose": propose}, {"aggregate": {"slot": scripted("writer", "written")}}]}
    if schedule.deadline is not None:
        data["budget"] = {"deadline": schedule.deadline}
    return create_moa(data)


def _model(name: str, calls: Sequence[Call]) -> Any:
    seen: Counter[str] = Counter()

    def reply(asked: Asked) -> Reply:
        call = calls[seen[asked.text] % len(calls)]
        seen[asked.text] += 1
        return Reply(delay=call.delay, error=None if call.succeeds else provider_error(401))

    return scripted(name, reply)


def question(number: int = 0) -> dict[str, Any]:
    return {"messages": [("user", f"question {number}")]}


def check(result: dict[str, Any], outcome: Outcome) -> None:
    """Whether a run's records are as expected, and its stage ended when it should."""
    proposals = [record for record in result["records"] if record["kind"] == "proposal"]
    kinds = {
        (record["slot"], record["sample"]): record["failure"]["kind"] if record["failure"] else "live"
        for record in proposals
    }
    assert kinds == outcome.kinds
    assert result["messages"][-1].text == "written"


Runs = Callable[[MoaGraph, Outcome], Awaitable[None]]


async def plain(graph: MoaGraph, outcome: Outcome) -> None:
    result = await graph.compile().ainvoke(question())
    check(result, outcome)
    assert result["report"]["seconds"] == pytest.approx(outcome.ends)


async def in_a_batch(graph: MoaGraph, outcome: Outcome) -> None:
    for result in await graph.compile().abatch([question(number) for number in range(3)]):
        check(result, outcome)


class Parent(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    records: Annotated[list[Any], operator.add]


async def as_a_subgraph(graph: MoaGraph, outcome: Outcome) -> None:
    parent: Any = StateGraph(Parent)
    parent.add_node("mixture", graph.compile())
    parent.add_edge(START, "mixture")
    parent.add_edge("mixture", END)
    check(await parent.compile().ainvoke(question()), outcome)


async def gathered_in_a_node(graph: MoaGraph, outcome: Outcome) -> None:
    compiled, results = graph.compile(), []

    async def both(_: Parent) -> dict[str, Any]:
        results.extend(await asyncio.gather(*(compiled.ainvoke(question(number)) for number in range(2))))
        return {}

    parent: Any = StateGraph(Parent)
    parent.add_node("both", both)
    parent.add_edge(START, "both")
    await parent.compile().ainvoke(question(9))
    for result in results:
        check(result, outcome)


async def resumed_twice_at_once(graph: MoaGraph, outcome: Outcome) -> None:
    config: Any = {"configurable": {"thread_id": "one"}}
    compiled = graph.compile(checkpointer=InMemorySaver(), interrupt_after=["prepare"])
    await compiled.ainvoke(question(), config)
    for result in await asyncio.gather(compiled.ainvoke(None, config), compiled.ainvoke(None, config)):
        check(result, outcome)


async def unless_nothing_lives(graph: MoaGraph, outcome: Outcome, runs: Runs) -> None:
    began = asyncio.get_running_loop().time()
    if "live" in outcome.kinds.values():
        await runs(graph, outcome)
    else:
        with pytest.raises(TooFewProposals):
            await runs(graph, outcome)
    assert asyncio.get_running_loop().time() - began == pytest.approx(outcome.ends)
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert len(graph.plan.rounds) == 0


@pytest.mark.parametrize("runs", [plain, in_a_batch, as_a_subgraph, gathered_in_a_node, resumed_twice_at_once])
@given(schedule=schedules())
@settings(max_examples=25)
def test_a_stage_ends_as_its_schedule_says(runs: Runs, schedule: Schedule) -> None:
    run_virtual(unless_nothing_lives, graph_of(schedule), expected(schedule), runs)


@given(schedule=schedules())
@settings(max_examples=25)
def test_slots_that_run_one_by_one_share_their_round(schedule: Schedule) -> None:
    async def limited(graph: MoaGraph, outcome: Outcome) -> None:
        result = await graph.compile().ainvoke(question(), {"max_concurrency": 1})
        check(result, outcome)
        assert result["report"]["seconds"] == pytest.approx(outcome.ends)

    run_virtual(unless_nothing_lives, graph_of(schedule), expected(schedule, one_by_one=True), limited)
