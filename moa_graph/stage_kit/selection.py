"""Stages that choose among what is there without asking a model, and what any stage writes that chose."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from langchain_core.runnables import RunnableConfig
from langgraph.graph import StateGraph

from moa_graph.stage_kit.base import Stage
from moa_graph.stage_kit.bound import BoundStage
from moa_graph.stage_kit.closing import closing_update
from moa_graph.stage_kit.node import Node
from moa_graph.stage_kit.run_context import RunContext
from moa_graph.state import CHOICE, MoaState, Record, Turn, merge_by_id

__all__ = ["Choice", "Selection", "by_number", "chosen_records", "origin", "selected_update", "shuffled"]


@dataclass(frozen=True)
class Choice:
    """What a stage chose.

    Args:
        records: The chosen records, best first. None of them: what the stages before gave goes on.
        reason: Why, for the records' notes.
        end: Why the run goes straight to its answer; None goes on.
        data: What the choice is based on, plain JSON.
        degraded: Why the choice is less than the mixture describes.
        route: The branch that the turn goes on with, from a stage that routes.
    """

    records: Sequence[Record] = ()
    reason: str = ""
    end: str | None = None
    data: Any = None
    degraded: str | None = None
    route: str | None = None


class Selection(Stage):
    """A stage of one node that chooses without asking a model."""

    shown: ClassVar[bool] = True
    answers: ClassVar[bool] = True

    @abstractmethod
    def choose(self, run: RunContext) -> Choice:
        """Chooses among what the run has to show."""

    async def decide(self, run: RunContext) -> Choice:
        """Chooses, by way of what must be waited for where there is such a thing."""
        return self.choose(run)

    def add_to(self, graph: StateGraph[Any, Any, Any, Any], bound: BoundStage) -> tuple[list[str], str]:
        """One node."""

        async def work(state: MoaState, config: RunnableConfig) -> dict[str, Any]:
            run = RunContext.of(bound, state)
            return selected_update(run, await self.decide(run))

        graph.add_node(bound.name, Node(work))
        return [bound.name], bound.name


def selected_update(run: RunContext, choice: Choice, seconds: float | None = None) -> dict[str, Any]:
    """What a stage that chose writes: its choice as records of its own, and how the run goes on."""
    records = chosen_records(run.stage, choice)
    turn: Turn = {**run.state["turn"]}
    if choice.end is not None:
        turn["end"] = choice.end
    if choice.route is not None:
        turn["routes"] = {**turn.get("routes", {}), run.stage.name: choice.route}
    if choice.degraded is not None:
        turn["degraded"] = [*turn.get("degraded", []), choice.degraded]
    state: Any = {**run.state, "turn": turn, "records": merge_by_id(run.state["records"], records)}
    update = closing_update(RunContext(run.stage, state, run.options), seconds)
    return {**update, "records": records}


def chosen_records(bound: BoundStage, choice: Choice) -> list[Record]:
    """Records of the stage's own for what it chose. Their cost is where they come from."""
    return [
        {
            **source,
            "id": f"{bound.name}/choice#{position}",
            "kind": CHOICE,
            "stage": bound.name,
            "order": [bound.index, len(bound.slots) + position, 0],
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
    return record.get("about", record["id"]) if record["kind"] == CHOICE else record["id"]


def shuffled(records: Sequence[Record], salt: str = "") -> list[Record]:
    """The records in an order that depends on all their texts, so that no text can be written to come first."""
    together = hashlib.sha256("\x00".join([salt, *sorted(record["text"] for record in records)]).encode(*_ANY_TEXT))

    def place(record: Record) -> bytes:
        digest = together.copy()
        digest.update(f"\x00{record['text']}".encode(*_ANY_TEXT))
        return digest.digest()

    return sorted(records, key=place)


_ANY_TEXT = ("utf-8", "surrogatepass")


def by_number(numbers: Iterable[int], shown: Sequence[Record]) -> list[Record]:
    """The records that a model names by their numbers, from 1, in its order: each once, numbers of none left out."""
    return [shown[number - 1] for number in dict.fromkeys(numbers) if 1 <= number <= len(shown)]
