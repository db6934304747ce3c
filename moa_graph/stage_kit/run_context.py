"""What a stage knows while a run is at it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from langchain_core.messages import BaseMessage

from moa_graph.options import Options
from moa_graph.stage_kit.bound import BoundStage
from moa_graph.state import MoaState, Record, live, of_stage
from moa_graph.views import with_system_prompt

__all__ = ["RunContext"]


@dataclass(frozen=True)
class RunContext:
    """What there is to be shown: the conversation, the records so far, and what was chosen for this run.

    Args:
        stage: The stage in its place.
        state: The graph's state.
        options: What was chosen for this run.
    """

    stage: BoundStage
    state: MoaState
    options: Options

    @classmethod
    def of(cls, stage: BoundStage, state: MoaState) -> Self:
        """What a stage knows of the run that the calling node is part of."""
        return cls(stage, state, stage.plan.options_of())

    @cached_property
    def conversation(self) -> tuple[BaseMessage, ...]:
        """The user's turns and the answers to them, behind the system prompt that was chosen for this run."""
        return with_system_prompt(self.options.system_prompt, self.state["messages"])

    @property
    def question(self) -> str:
        """The text of the user's last message."""
        return next((message.text for message in reversed(self.conversation) if message.type == "human"), "")

    @property
    def records(self) -> list[Record]:
        """Everything that this turn's stages have given so far, live and failed."""
        return self.state.get("records") or []

    @cached_property
    def requests_made(self) -> Counter[str]:
        """Identity of a record to the requests that this turn has made for it."""
        return Counter(call["record"] for call in self.state.get("ledger") or ())

    @property
    def earlier(self) -> list[BoundStage]:
        """The stages before this one on the path that the turn has taken."""
        return [bound for bound in self.stage.plan.taken(self.state["turn"]) if bound.index < self.stage.index]

    @property
    def asks_nobody(self) -> bool:
        """Whether what this stage gave before came with the conversation."""
        return bool(self.state["turn"].get("advised")) and not self.stage.is_last

    def proposals(self) -> list[Record]:
        """What the last stage gave that is shown and has enough of it."""
        for bound in reversed(self.earlier):
            if bound.stage.shown:
                found = bound.given(self.records)
                if len(found) >= (self.stage.plan.min_live if bound.stage.proposes else 1):
                    return found
        return []

    def of_proposing(self) -> list[list[Record]]:
        """The records of each proposing stage before this one, live and failed."""
        return [of_stage(self.records, bound.name) for bound in self.earlier if bound.stage.proposes]

    def own_records(self) -> list[Record]:
        """What this stage has so far."""
        return of_stage(self.records, self.stage.name)

    def own_live(self) -> dict[str, Record]:
        """The stage's live records by identity."""
        return {record["id"]: record for record in live(self.own_records())}
