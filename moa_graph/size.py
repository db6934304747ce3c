"""How many calls a mixture makes, and how many of them one after another, without making any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from langchain_core.messages import HumanMessage

from moa_graph.stages.base import Scene
from moa_graph.stages.plan import Placed, Plan
from moa_graph.stages.selection import Choice, Selection, chosen_records
from moa_graph.stages.single import SingleSlot
from moa_graph.stages.ways import Way
from moa_graph.state import MoaState, Record

__all__ = ["Size", "size_of"]


@dataclass(frozen=True)
class Size:
    """What one answer takes where nothing fails and no stage ends the run early.

    Args:
        calls: Model requests.
        critical_path: How many of them one after another: time is this many answers long.
        may_end_early: Stages that may make it fewer: those that may end the run, and those that route.
    """

    calls: int
    critical_path: int
    may_end_early: tuple[str, ...]


def size_of(plan: Plan) -> Size:
    """The size of a mixture, found by going through its stages as if every slot had answered.

    Where a turn takes one of several routes, that of the longest.
    """
    sizes = [_size_of_way(plan, way) for way in plan.ways({})]
    deciding = tuple(placed.site.name for placed in plan.stages if placed.stage.may_end() or placed.stage.branches())
    return Size(max(calls for calls, _ in sizes), max(path for _, path in sizes), deciding)


def _size_of_way(plan: Plan, way: Way) -> tuple[int, int]:
    """Calls, and how many of them one after another."""
    state: MoaState = {
        "messages": [HumanMessage("?")],
        "records": [],
        "ledger": [],
        "turn": {"status": "running", "routes": dict(way.routes)},
        "report": {},
    }
    calls = path = 0
    for placed in way.stages:
        scene = Scene(placed.site, state, plan.options())
        asked = [unit.id for unit in placed.stage.units(placed.site, scene)]
        calls += len(asked)
        path += _one_after_another(placed, len(asked))
        state = _with(state, [_imagined(placed, record) for record in asked])
        choice = _choice(placed, Scene(placed.site, state, plan.options()))
        state = _with(state, chosen_records(placed.site, choice) if choice else [])
    return calls, path


def _one_after_another(placed: Placed, asked: int) -> int:
    """All at once, but for a single slot's own way of asking: that is one thing after another."""
    stage = placed.stage
    in_steps = isinstance(stage, SingleSlot) and type(stage).answers_of is not SingleSlot.answers_of
    return asked if in_steps else min(asked, 1)


def _choice(placed: Placed, scene: Scene) -> Choice | None:
    if isinstance(placed.stage, Selection):
        return placed.stage.choose(scene)
    return placed.stage.conclude(scene) if isinstance(placed.stage, SingleSlot) else None


def _imagined(placed: Placed, record: str) -> Record:
    """A live record whose text is like no other's."""
    node, _, sample = record.rpartition("#")
    seat = next(seat for seat in placed.site.seats if seat.node == node)
    return {
        "id": record,
        "kind": getattr(placed.stage, "record_kind", "proposal"),
        "stage": placed.site.name,
        "slot": seat.name,
        "sample": int(sample),
        "order": [placed.site.index, seat.index, int(sample)],
        "model": seat.members[0].reference,
        "status": "live",
        "text": record,
        "failure": None,
        "notes": [],
        "usage": None,
        "cost": None,
        "started": 0.0,
        "seconds": 0.0,
    }


def _with(state: MoaState, records: Sequence[Record]) -> MoaState:
    return {**state, "records": [*state["records"], *records]}
