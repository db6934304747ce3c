"""What the stages of one graph share: their order, the budget that they are handed parts of, and their rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langgraph.runtime import Runtime, get_runtime

from moa_graph.calls.budget import (
    BYTES_PER_EXPECTED_TOKEN,
    NOTHING,
    Unit,
    hand_out,
    limits_of,
    minus,
    plus,
    spent,
)
from moa_graph.calls.limits import Limits
from moa_graph.calls.round import Rounds
from moa_graph.description import Budget
from moa_graph.models.catalogue import Member
from moa_graph.options import Options, read_options
from moa_graph.stages.base import Scene, Seat, Site, Stage
from moa_graph.state import Grant, MoaState, Turn
from moa_graph.store import Store

__all__ = ["Placed", "Plan", "chosen", "namespace", "round_key"]


@dataclass(frozen=True)
class Placed:
    """A stage in its place."""

    stage: Stage
    site: Site


@dataclass
class Plan:
    """One mixture's stages in their order, and what they share.

    Args:
        mixture: Name of the mixture.
        budget: What one turn may spend.
        min_live: Fewest live proposals with which a turn goes on.
        members: The mixture's models by name.
        options: The class of its run-time options.
        simulated: Whether every model is a simulated one.
        store: Where calls are looked up and kept.
        limits: Provider to what it allows.
    """

    mixture: str
    budget: Budget | None
    min_live: int
    members: Mapping[str, Member]
    options: type[Options]
    simulated: bool
    store: Store | None = None
    limits: Mapping[str, Limits] = field(default_factory=dict)
    stages: list[Placed] = field(default_factory=list)
    rounds: Rounds = field(default_factory=Rounds)

    def options_of(self, runtime: Runtime[Any] | None = None) -> Options:
        """What was chosen for the run that the calling node is part of."""
        runtime = runtime or get_runtime()
        return read_options(self.options, runtime.context, root="|" not in namespace(runtime))

    def members_of(self, seat: Seat, stage: Stage, options: Options) -> tuple[Member, ...]:
        """The models to ask for a seat: a run may choose who writes the answer."""
        if options.aggregator is None or not stage.answers:
            return seat.members
        chosen = self.members[options.aggregator]
        return (chosen, *(member for member in seat.members if member.name != chosen.name))

    def open(self, index: int, state: MoaState, options: Options) -> Turn:
        """What the stage at ``index`` is handed before it starts: grants for its answers, and its time."""
        if index >= len(self.stages):
            return {"grants": {}, "time": None}
        budget = options.limit(self.budget)
        return {
            "grants": self._grants(index, state, options, budget),
            "time": self._time(index, state, budget.deadline, options),
        }

    def _grants(self, index: int, state: MoaState, options: Options, budget: Budget) -> dict[str, Grant]:
        limits = limits_of(budget)
        if limits is None:
            return {}
        left = minus(limits, spent(state.get("ledger") or []))
        placed = self.stages[index]
        units = self._units(placed, state, options, None)
        closing = index == len(self.stages) - 1
        if closing:
            return hand_out(left, NOTHING, units, closing=True)
        later = [self._expected(following, state, options) for following in self.stages[index + 1 :]]
        others = NOTHING
        for need in later[:-1]:
            others = plus(others, need)
        return hand_out(minus(left, later[-1]), others, units)

    def _expected(self, placed: Placed, state: MoaState, options: Options) -> Grant:
        """What a stage that is still to come is expected to need for its first calls."""
        total = NOTHING
        for unit in self._units(placed, state, options, self._expected_bytes(placed.site.index)):
            total = plus(total, unit.first)
        return total

    def _expected_bytes(self, index: int) -> int:
        """Room for the references that the stage at ``index`` will be shown, before they are written."""
        earlier = [placed for placed in self.stages[:index] if placed.stage.proposes]
        seats = earlier[-1].site.seats if earlier else ()
        return sum(
            seat.slot.samples * BYTES_PER_EXPECTED_TOKEN * (seat.members[0].settings.max_tokens or 0) for seat in seats
        )

    def _units(self, placed: Placed, state: MoaState, options: Options, expected: int | None) -> list[Unit]:
        return placed.stage.units(placed.site, Scene(placed.site, state, options), expected)

    def _time(self, index: int, state: MoaState, deadline: float | None, options: Options) -> float | None:
        """Seconds for the stage at ``index``. The time that the answer's stage needs is kept free."""
        if deadline is None:
            return None
        left = max(deadline - state["turn"].get("active", 0.0), 0.0)
        last = self.stages[-1]
        if index == last.site.index:
            return left
        timeouts = [seat.slot.timeout for seat in last.site.seats if seat.slot.timeout is not None]
        kept = min(max(timeouts, default=deadline / 3), deadline / 2)
        return max(left - kept, 0.0)


def namespace(runtime: Runtime[Any]) -> str:
    """Where the running node is: its graph's path below the root graph, and its own task."""
    return runtime.execution_info.checkpoint_ns if runtime.execution_info else ""


def round_key(runtime: Runtime[Any], stage: str) -> tuple[int, str, str]:
    """What tells one stage of one run from every other that is in flight in the process."""
    return id(runtime.control), namespace(runtime).rpartition("|")[0], stage


def chosen(seats: Sequence[Seat], options: Options) -> list[Seat]:
    """The seats that this run asks."""
    return [seat for seat in seats if options.proposers is None or seat.name in options.proposers]
