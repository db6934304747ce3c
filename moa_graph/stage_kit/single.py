"""Stages of one slot and one node: a model that writes, judges, analyses or decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from langchain_core.runnables import RunnableConfig
from langgraph.graph import StateGraph
from langgraph.runtime import get_runtime
from pydantic import Field

from moa_graph.description import Model, Slot
from moa_graph.stage_kit.asking import ModelStage
from moa_graph.stage_kit.bound import BoundSlot, BoundStage
from moa_graph.stage_kit.closing import closing_update
from moa_graph.stage_kit.gathering import Gathered, with_gathered
from moa_graph.stage_kit.node import Node
from moa_graph.stage_kit.plan import round_key
from moa_graph.stage_kit.run_context import RunContext
from moa_graph.stage_kit.selection import selected_update
from moa_graph.state import MoaState

__all__ = ["SingleSlot"]


class SingleSlot(ModelStage):
    """One slot in one node. What it gives may be a decision, from which the stage concludes how the run goes on."""

    one_node: ClassVar[bool] = True

    slot: Slot = Field(description="The model that is asked.")
    fallbacks: tuple[Model, ...] = Field(default=(), description="Models asked in turn when it fails.")

    def all_slots(self) -> Sequence[Slot]:
        """The slot, with the stage's fallbacks behind its own."""
        return (self.slot.model_copy(update={"fallbacks": (*self.slot.fallbacks, *self.fallbacks)}),)

    def check(self) -> None:
        """There is one answer."""
        if self.slot.samples > 1:
            raise ValueError(f"slot.samples: one answer is asked of a stage of kind {self.kind}")

    def add_to(self, graph: StateGraph[Any, Any, Any, Any], bound: BoundStage) -> tuple[list[str], str]:
        """One node."""

        async def work(state: MoaState, config: RunnableConfig) -> dict[str, Any]:
            run = RunContext.of(bound, state)
            gathered: Gathered = ([], []) if run.asks_nobody else await self.answers_of(bound.slots[0], run, config)
            seconds = bound.plan.rounds.leave(round_key(get_runtime(), bound.name))
            run = RunContext(bound, with_gathered(state, gathered), run.options)
            choice = self.conclude(run)
            update = closing_update(run, seconds) if choice is None else selected_update(run, choice, seconds)
            return {**update, "records": [*gathered[0], *update.get("records", [])], "ledger": gathered[1]}

        graph.add_node(bound.name, Node(work))
        return [bound.name], bound.name

    async def answers_of(self, slot: BoundSlot, run: RunContext, config: RunnableConfig) -> Gathered:
        """Asks what the stage asks, all at once. Stages that ask one thing after another say how."""
        return await self.ask_slot(slot, run, config)
