"""Stages of one slot and one node: a model that writes, judges, analyses or decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from langchain_core.runnables import RunnableConfig
from langgraph.graph import StateGraph
from langgraph.runtime import get_runtime
from pydantic import Field

from moa_graph.calls.budget import Unit
from moa_graph.description import Model, Slot
from moa_graph.stages.base import Scene, Seat, Site
from moa_graph.stages.fan_out import FanOut, Gathered, closing_update, with_gathered
from moa_graph.stages.node import Node
from moa_graph.stages.plan import round_key
from moa_graph.stages.selection import Choice, selected_update
from moa_graph.state import MoaState

__all__ = ["SingleSlot"]


class SingleSlot(FanOut):
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

    def units(self, site: Site, scene: Scene, expected: int | None = None) -> list[Unit]:
        """The one slot's, whichever proposers a run chooses."""
        return self._units_of(site, site.seats[0], scene, expected)

    def conclude(self, scene: Scene) -> Choice | None:
        """What follows from what the model gave, or from its failure; None where it simply goes on."""
        return None

    def add_to(self, graph: StateGraph[Any, Any, Any, Any], site: Site) -> tuple[list[str], str]:
        """One node."""

        async def work(state: MoaState, config: RunnableConfig) -> dict[str, Any]:
            runtime = get_runtime()
            scene = Scene(site, state, site.plan.options_of(runtime))
            asking = not scene.asks_nobody
            records, ledger = gathered = await self.answers_of(site.seats[0], scene, config) if asking else ([], [])
            seconds = site.plan.rounds.leave(round_key(runtime, site.name))
            scene = Scene(site, with_gathered(state, gathered), scene.options)
            choice = self.conclude(scene)
            if choice is None:
                update = closing_update(self, scene, runtime, seconds)
                return {**update, "records": records, "ledger": ledger}
            update = selected_update(self, scene, choice, seconds)
            return {**update, "records": [*records, *update["records"]], "ledger": ledger}

        graph.add_node(site.name, Node(work))
        return [site.name], site.name

    async def answers_of(self, seat: Seat, scene: Scene, config: RunnableConfig) -> Gathered:
        """Asks what the stage asks, all at once. Stages that ask one thing after another say how."""
        return await self.ask_seat(seat, scene, config)
