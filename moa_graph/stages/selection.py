"""Stages that choose among what is there: what they choose goes on, or is the answer."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from langchain_core.runnables import RunnableConfig
from langgraph.graph import StateGraph
from langgraph.runtime import get_runtime

from moa_graph.stages.base import Scene, Site, Stage
from moa_graph.stages.fan_out import closing_update
from moa_graph.stages.node import Node
from moa_graph.state import MoaState, Record, Turn, merge_by_id

__all__ = ["Choice", "Selection", "chosen_records", "origin", "selected_update", "shuffled"]


@dataclass(frozen=True)
class Choice:
    """What a stage chose.

    Args:
        records: The chosen records, best first.
        reason: Why, for the records' notes.
        end: Why the run goes straight to its answer; None goes on.
        data: What the choice is based on, plain JSON.
        degraded: Why the choice is less than the mixture describes.
        route: The branch that the turn goes on with, from a stage that routes.
    """

    records: Sequence[Record]
    reason: str
    end: str | None = None
    data: Any = None
    degraded: str | None = None
    route: str | None = None


class Selection(Stage):
    """A stage of one node that chooses without asking a model."""

    shown: ClassVar[bool] = True
    answers: ClassVar[bool] = True

    @abstractmethod
    def choose(self, scene: Scene) -> Choice:
        """Chooses among what the scene shows."""

    async def decide(self, scene: Scene) -> Choice:
        """Chooses, by way of what must be waited for where there is such a thing."""
        return self.choose(scene)

    def add_to(self, graph: StateGraph[Any, Any, Any, Any], site: Site) -> tuple[list[str], str]:
        """One node."""

        async def work(state: MoaState, config: RunnableConfig) -> dict[str, Any]:
            scene = Scene(site, state, site.plan.options_of())
            return selected_update(self, scene, await self.decide(scene))

        graph.add_node(site.name, Node(work))
        return [site.name], site.name


def selected_update(stage: Stage, scene: Scene, choice: Choice, seconds: float | None = None) -> dict[str, Any]:
    """What a stage that chose writes: its choice as records of its own, and how the run goes on."""
    records = chosen_records(scene.site, choice)
    turn: Turn = {**scene.state["turn"]}
    if choice.end is not None:
        turn["end"] = choice.end
    if choice.route is not None:
        turn["routes"] = {**turn.get("routes", {}), scene.site.name: choice.route}
    if choice.degraded is not None:
        turn["degraded"] = [*turn.get("degraded", []), choice.degraded]
    state: Any = {**scene.state, "turn": turn, "records": merge_by_id(scene.state["records"], records)}
    update = closing_update(stage, Scene(scene.site, state, scene.options), get_runtime(), seconds)
    return {**update, "records": records}


def chosen_records(site: Site, choice: Choice) -> list[Record]:
    """Records of the stage's own for what it chose. Their cost is where they come from."""
    return [
        {
            **source,
            "id": f"{site.name}/choice#{position}",
            "kind": "choice",
            "stage": site.name,
            "order": [site.index, len(site.seats) + position, 0],
            "about": origin(source),
            "notes": [*source["notes"], choice.reason],
            "usage": {"input": 0, "output": 0, "cached": 0},
            "cost": 0.0,
            "seconds": 0.0,
            "data": choice.data,
        }
        for position, source in enumerate(choice.records)
    ]


def origin(record: Record) -> str:
    """The identity of the record that a model gave: a choice stands for the one that was chosen."""
    return record.get("about", record["id"]) if record["kind"] == "choice" else record["id"]


def shuffled(records: Sequence[Record], salt: str = "") -> list[Record]:
    """The records in an order that depends on their texts alone, so that no place is anybody's own."""

    def place(record: Record) -> str:
        return hashlib.sha256(f"{salt}\x00{record['text']}".encode("utf-8", "replace")).hexdigest()

    return sorted(records, key=place)
