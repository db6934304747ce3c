"""Propose: several models answer side by side; from the second layer on, seeing the answers of the layer before.

Sources: Wang et al. 2024, arXiv 2406.04692, section 2.2; with a random view, recursive self-aggregation (arXiv
2509.26626), where each member of the next population aggregates K random members of the last.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from moa_graph.description import Seconds, Slot
from moa_graph.options import Options
from moa_graph.stage_kit.base import register
from moa_graph.stage_kit.bound import BoundSlot
from moa_graph.stage_kit.fan_out import FanOut
from moa_graph.stage_kit.instruction import AGGREGATE_AND_SYNTHESIZE, REFERENCES_PLACE, ReferencesPlace
from moa_graph.stage_kit.requests import Task
from moa_graph.stage_kit.run_context import RunContext
from moa_graph.state import Record, shown_text
from moa_graph.views import Prompt

__all__ = ["Propose"]


@register
class Propose(FanOut):
    """Every slot answers the conversation; in later layers it is shown the last layer's live proposals."""

    kind: ClassVar[str] = "propose"
    proposes: ClassVar[bool] = True
    shown: ClassVar[bool] = True
    record_kind: ClassVar[str] = "proposal"

    slots: tuple[Slot, ...] = Field(min_length=1, description="The models that answer side by side.")
    quorum: int | None = Field(default=None, ge=1, description="Live proposals that close the stage; default: all.")
    grace: Seconds = Field(default=0.0, description="Seconds that the stage waits for the others after its quorum.")
    view: Literal["all", "none", "random"] = Field(
        default="all", description="What is shown of the last layer: everything, nothing, or `members` at random."
    )
    members: int = Field(default=4, ge=1, description="How many answers of the last layer a random view shows.")
    may_fail: bool = Field(
        default=False, description="Whether the turn goes on without its proposals: a later stage is asked then."
    )
    references: ReferencesPlace = REFERENCES_PLACE
    instruction: str = Field(
        default=AGGREGATE_AND_SYNTHESIZE,
        description="What a model is told about the proposals that it is shown.",
    )

    def check(self) -> None:
        """A quorum above the number of proposals could never be reached."""
        most = sum(slot.samples for slot in self.slots)
        if self.quorum is not None and self.quorum > most:
            raise ValueError(f"quorum: {self.quorum} live proposals can't come from {most} slot(s) and samples")

    def may_fall_short(self) -> bool:
        """Where the description says so."""
        return self.may_fail

    def closes_at(self, options: Options) -> tuple[int | None, float]:
        """The quorum and its grace, as the run or the mixture says."""
        return options.quorum or self.quorum, self.grace if options.grace is None else options.grace

    def prompt(self, slot: BoundSlot, run: RunContext) -> Prompt:
        """The conversation, with the last layer's live proposals if there is one."""
        return self._showing([] if self.view == "none" else run.proposals(), slot, run)

    def tasks(self, slot: BoundSlot, run: RunContext) -> list[Task]:
        """One answer a sample; with a random view, each sees others of the last layer."""
        if self.view != "random":
            return super().tasks(slot, run)
        proposals = run.proposals()
        return [
            Task(sample, self._showing(drawn(proposals, self.members, slot.record_id(sample)), slot, run))
            for sample in range(slot.samples)
        ]

    def _showing(self, records: list[Record], slot: BoundSlot, run: RunContext) -> Prompt:
        references = tuple(shown_text(record) for record in records)
        after = self.references == "after"
        return Prompt(run.conversation, self.instruction, references, role=slot.role, after=after)


def drawn(records: Sequence[Record], count: int, drawer: str) -> list[Record]:
    """Some of the records at random: which ones depends on their texts and on who draws, so that it can be repeated."""
    seed = "\x00".join([drawer, *(record["text"] for record in records)])
    chosen = random.Random(seed).sample(range(len(records)), min(count, len(records)))
    return [records[index] for index in sorted(chosen)]
