"""A stage and its slots bound to their place in one graph, and to the models that fill them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from moa_graph.description import Slot
from moa_graph.models.catalogue import Member
from moa_graph.stage_kit.base import Stage
from moa_graph.state import CHOICE, Record, live, of_stage

if TYPE_CHECKING:
    from moa_graph.stage_kit.plan import Plan

__all__ = ["BoundSlot", "BoundStage"]


@dataclass(frozen=True)
class BoundSlot:
    """A slot in its place, with its models.

    Args:
        slot: What the mixture says of it.
        name: Its name within the stage.
        node: Its node's name in the graph.
        index: Its place among the stage's slots, from 0.
        members: The models that fill it: its own, then its fallbacks.
        hedge: The model that is asked as well when an answer is late.
    """

    slot: Slot
    name: str
    node: str
    index: int
    members: tuple[Member, ...]
    hedge: Member | None = None

    @property
    def role(self) -> str | None:
        """The instruction that only this slot is given."""
        return self.slot.role

    @property
    def samples(self) -> int:
        """How many answers the mixture wants of it."""
        return self.slot.samples

    @property
    def everyone(self) -> tuple[Member, ...]:
        """All models that may be asked."""
        return self.members if self.hedge is None else (*self.members, self.hedge)

    def record_id(self, sample: int) -> str:
        """The identity of the record of a sample."""
        return f"{self.node}#{sample}"


@dataclass(frozen=True, eq=False)
class BoundStage:
    """A stage in its place.

    Args:
        stage: What the mixture says of it.
        plan: What it shares with the other stages of its graph.
        index: Its place among all stages, branches included.
        name: Its name in the graph.
        slots: Its slots with their models.
        branch: The routes that a turn must have taken to come here: names of routing stages and of their routes.
        field: Where the description writes it, for errors.
    """

    stage: Stage
    plan: Plan
    index: int
    name: str
    slots: tuple[BoundSlot, ...]
    branch: frozenset[tuple[str, str]] = frozenset()
    field: str = ""

    @cached_property
    def following(self) -> Sequence[BoundStage]:
        """The stages of which one follows where the run goes on. To be asked once all stages are in their places."""
        return self.plan.following(self)

    @cached_property
    def is_last(self) -> bool:
        """Whether no stage follows on its path."""
        return not self.following

    def given(self, records: Iterable[Record]) -> list[Record]:
        """What the stage has to show or to answer with: its choice, else its models' live records, if it has any."""
        if not (self.stage.shown or self.stage.answers):
            return []
        own = live(of_stage(records, self.name))
        chosen = [record for record in own if record["kind"] == CHOICE]
        return chosen or ([] if self.stage.decides else own)
