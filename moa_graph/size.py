"""How many calls a mixture makes, and how many of them one after another, without making any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, cast

from langchain_core.messages import AnyMessage, BaseMessage, HumanMessage

from moa_graph.calls.budget import NOTHING, larger, plus
from moa_graph.models.simulation import example_of
from moa_graph.response_format import ResponseFormat
from moa_graph.stage_kit.asking import ModelStage
from moa_graph.stage_kit.base import Stage
from moa_graph.stage_kit.bound import BoundStage
from moa_graph.stage_kit.paths import Path
from moa_graph.stage_kit.plan import Plan
from moa_graph.stage_kit.run_context import RunContext
from moa_graph.stage_kit.selection import Choice, Selection, chosen_records
from moa_graph.stage_kit.single import SingleSlot
from moa_graph.state import Grant, MoaState, Record

__all__ = ["Size", "size_of"]


@dataclass(frozen=True)
class Size:
    """What one answer takes where nothing fails and no stage ends the run early.

    Args:
        calls: Model requests.
        critical_path: How many of them one after another: time is this many answers long.
        may_end_early: Stages that may make it fewer: those that may end the run, and those that route.
        most: What these calls may use at most, where ``max_tokens`` and prices are known.
    """

    calls: int
    critical_path: int
    may_end_early: tuple[str, ...]
    most: Grant


def size_of(plan: Plan, messages: Sequence[BaseMessage] = (HumanMessage("?"),)) -> Size:
    """The size of a mixture, found by going through its stages as if every slot had answered.

    Where a turn takes one of several routes, that of the longest; and that of the dearer verdicts, where stages ask
    models for a yes or a no.

    Args:
        plan: The mixture's stages.
        messages: The conversation that is answered.
    """
    sizes = [_size_of_path(plan, path, messages, verdict) for path in plan.paths({}) for verdict in (False, True)]
    deciding = tuple(bound.name for bound in plan.stages if bound.stage.may_end() or bound.stage.branches())
    return Size(
        max(calls for calls, _, _ in sizes),
        max(depth for _, depth, _ in sizes),
        deciding,
        reduce(larger, (most for _, _, most in sizes)),
    )


def _size_of_path(plan: Plan, path: Path, messages: Sequence[BaseMessage], verdict: bool) -> tuple[int, int, Grant]:
    """Calls, how many of them one after another, and what they may use, where every yes or no is ``verdict``."""
    state: MoaState = {
        "messages": cast("list[AnyMessage]", list(messages)),
        "records": [],
        "ledger": [],
        "turn": {"status": "running", "routes": dict(path.routes)},
        "report": {},
    }
    calls = depth = 0
    most = NOTHING
    for bound in path.stages:
        run = RunContext(bound, state, plan.options())
        planned = bound.stage.planned_answers(bound, run, plan.expected_bytes(bound, path))
        most = reduce(plus, (answer.first for answer in planned), most)
        asked = [answer.id for answer in planned]
        calls += len(asked)
        depth += _one_after_another(bound, len(asked))
        about = _abouts(bound.stage, run)
        state = _with(state, [_imagined(bound, record, about.get(record), verdict) for record in asked])
        choice = _choice(bound, RunContext(bound, state, plan.options()))
        state = _with(state, chosen_records(bound, choice) if choice else [])
    return calls, depth, most


def _one_after_another(bound: BoundStage, asked: int) -> int:
    """All at once, but for a single slot's own way of asking: that is one thing after another."""
    stage = bound.stage
    in_steps = isinstance(stage, SingleSlot) and type(stage).answers_of is not SingleSlot.answers_of
    return asked if in_steps else min(asked, 1)


def _choice(bound: BoundStage, run: RunContext) -> Choice | None:
    if isinstance(bound.stage, Selection):
        return bound.stage.choose(run)
    return bound.stage.conclude(run) if isinstance(bound.stage, ModelStage) else None


def _abouts(stage: Stage, run: RunContext) -> dict[str, str | None]:
    """The identity of each answer's record to that of the record which it is about."""
    if not isinstance(stage, ModelStage):
        return {}
    slots = stage.asked_slots(run)
    return {slot.record_id(task.sample): task.about for slot in slots for task in stage.tasks(slot, run)}


def _imagined(bound: BoundStage, record: str, about: str | None, verdict: bool) -> Record:
    """A live record whose text is like no other's."""
    node, _, sample = record.rpartition("#")
    slot = next(slot for slot in bound.slots if slot.node == node)
    imagined: Record = {
        "id": record,
        "kind": getattr(bound.stage, "record_kind", "proposal"),
        "stage": bound.name,
        "slot": slot.name,
        "sample": int(sample),
        "order": [bound.index, slot.index, int(sample)],
        "model": slot.members[0].reference,
        "status": "live",
        "text": record,
        "failure": None,
        "notes": [],
        "usage": None,
        "cost": None,
        "started": 0.0,
        "seconds": 0.0,
    }
    if about is not None:
        imagined["about"] = about
    return _with_data(imagined, bound.stage, verdict)


def _with_data(record: Record, stage: Stage, verdict: bool) -> Record:
    """The record with what a structured answer might hold, read as a model's own: the stage may count on it."""
    schema = stage.answer_model() if isinstance(stage, ModelStage) else None
    if schema is None:
        return record
    response_format = ResponseFormat.of(schema)
    content, problem = response_format.check(_decided(example_of(response_format.schema), verdict))
    return record if problem else {**record, "data": content}


def _decided(content: Any, verdict: bool) -> Any:
    """``content`` with this verdict wherever it says yes or no."""
    if isinstance(content, bool):
        return verdict
    if isinstance(content, dict):
        return {name: _decided(value, verdict) for name, value in content.items()}
    return [_decided(value, verdict) for value in content] if isinstance(content, list) else content


def _with(state: MoaState, records: Sequence[Record]) -> MoaState:
    return {**state, "records": [*state["records"], *records]}
