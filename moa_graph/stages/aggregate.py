"""Aggregate: one model writes the answer from the proposals.

Source: Wang et al. 2024, arXiv 2406.04692, section 2.2.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, ClassVar

from langchain_core.runnables import RunnableConfig
from langgraph.graph import StateGraph
from langgraph.runtime import get_runtime
from pydantic import Field

from moa_graph.description import Model, Slot
from moa_graph.errors import RunFailed
from moa_graph.stages.base import Scene, Seat, Site, register
from moa_graph.stages.fan_out import FanOut, closing_update, reasons, with_gathered
from moa_graph.stages.instruction import AGGREGATE_AND_SYNTHESIZE
from moa_graph.stages.node import Node
from moa_graph.stages.plan import round_key
from moa_graph.state import MoaState, live
from moa_graph.views import Prompt

__all__ = ["Aggregate"]


@register
class Aggregate(FanOut):
    """One slot, shown the last layer's live proposals, writes the answer; its tokens are streamed."""

    kind: ClassVar[str] = "aggregate"
    answers: ClassVar[bool] = True
    shown: ClassVar[bool] = True
    record_kind: ClassVar[str] = "synthesis"

    slot: Slot = Field(description="The model that writes.")
    fallbacks: tuple[Model, ...] = Field(default=(), description="Models asked in turn when it fails.")
    instruction: str = Field(default=AGGREGATE_AND_SYNTHESIZE, description="What it is told about the proposals.")

    def all_slots(self) -> Sequence[Slot]:
        """The writer, with the stage's fallbacks behind its own."""
        return (self.slot.model_copy(update={"fallbacks": (*self.slot.fallbacks, *self.fallbacks)}),)

    def check(self) -> None:
        """There is one answer."""
        if self.slot.samples > 1:
            raise ValueError("slot.samples: an aggregate stage writes one answer; ask for samples in a propose stage")

    def prompt(self, seat: Seat, scene: Scene) -> Prompt:
        """The conversation, with the last layer's live proposals; the conversation alone where there are none."""
        references = tuple(record["text"] for record in scene.proposals())
        return Prompt(scene.conversation, self.instruction, references, role=seat.slot.role)

    def add_to(self, graph: StateGraph[Any, Any, Any, Any], site: Site) -> tuple[list[str], str]:
        """One node."""
        graph.add_node(site.name, Node(self._writer(site, site.seats[0])))
        return [site.name], site.name

    def _writer(
        self, site: Site, seat: Seat
    ) -> Callable[[MoaState, RunnableConfig], Coroutine[Any, Any, dict[str, Any]]]:
        async def write(state: MoaState, config: RunnableConfig) -> dict[str, Any]:
            runtime = get_runtime()
            scene = Scene(site, state, site.plan.options_of(runtime))
            gathered = await self.ask_seat(seat, scene, config)
            seconds = site.plan.rounds.leave(round_key(runtime, site.name))
            scene = Scene(site, with_gathered(state, gathered), scene.options)
            if not live(scene.state["records"]):
                listed = "".join(f"\n  {reason}" for reason in reasons(scene.own_records()))
                raise RunFailed(f"{site.name}: no model gave an answer. Ask again, or name fallbacks.{listed}")
            records, ledger = gathered
            return {**closing_update(self, scene, runtime, seconds), "records": records, "ledger": ledger}

        return write
