"""What the stages of one graph share: their ways, the budget that they are handed parts of, and their rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from langgraph.runtime import Runtime, get_runtime

from moa_graph.calls.budget import (
    BYTES_PER_EXPECTED_TOKEN,
    NOTHING,
    Unit,
    hand_out,
    larger,
    limits_of,
    minus,
    plus,
    spent,
)
from moa_graph.calls.limits import Limits
from moa_graph.calls.round import Rounds
from moa_graph.description import Budget
from moa_graph.errors import BudgetTooSmall
from moa_graph.models.catalogue import Member
from moa_graph.options import Options, read_options
from moa_graph.stages import ways
from moa_graph.stages.base import Scene, Seat, Site, Stage
from moa_graph.stages.ways import Placed, Way
from moa_graph.state import Grant, MoaState, Turn
from moa_graph.store import Store

__all__ = ["Placed", "Plan", "chosen", "is_chosen", "namespace", "round_key"]


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
        stages: All stages in their configured order, branches included.
        rounds: The rounds that are in flight.
    """

    mixture: str
    budget: Budget | None
    min_live: int
    members: Mapping[str, Member]
    options: type[Options] = Options
    simulated: bool = False
    store: Store | None = None
    limits: Mapping[str, Limits] = field(default_factory=dict)
    stages: list[Placed] = field(default_factory=list)
    rounds: Rounds = field(default_factory=Rounds)

    def options_of(self, runtime: Runtime[Any] | None = None) -> Options:
        """What was chosen for the run that the calling node is part of."""
        runtime = runtime or get_runtime()
        return read_options(self.options, runtime.context, root="|" not in namespace(runtime))

    def members_of(self, seat: Seat, stage: Stage, options: Options) -> tuple[Member, ...]:
        """The models to ask for a seat: a run may choose who writes the answer, and with which parameters."""
        members = seat.members
        if options.aggregator is not None and stage.answers:
            chosen = self.members[options.aggregator]
            members = (chosen, *(member for member in members if member.name != chosen.name))
        if options.answer.parameters and self._writes_the_answer(stage):
            members = tuple(member.asked_with(options.answer.parameters) for member in members)
        return members

    def _writes_the_answer(self, stage: Stage) -> bool:
        return stage.writes and any(placed.stage is stage and placed.site.is_last for placed in self.stages)

    def taken(self, turn: Turn) -> list[Placed]:
        """The stages that a turn passes, as far as its routes are decided."""
        return ways.taken(self.stages, turn)

    def ways(self, turn: Turn) -> list[Way]:
        """Every way that a turn may take yet."""
        return ways.ways(self.stages, turn)

    def following(self, site: Site) -> list[Placed]:
        """The stages of which one follows that of ``site`` where the run goes on; none after the last."""
        return ways.following(self.stages, site)

    def next_after(self, site: Site, turn: Turn) -> Placed | None:
        """The stage that comes next in this turn; None where that is the answer."""
        return ways.next_after(self.stages, site, turn)

    def open(self, placed: Placed | None, state: MoaState, options: Options) -> Turn:
        """What a stage is handed before it starts: grants for its answers, and its time."""
        if placed is None:
            return {"grants": {}, "time": None}
        budget = options.limit(self.budget)
        return {
            "grants": self._grants(placed, state, options, budget),
            "time": self._time(placed, state, budget.deadline, options),
        }

    def check_budget(self, state: MoaState, options: Options) -> None:
        """Refuses to begin where an answer can't be paid for.

        Raises:
            BudgetTooSmall: What the turn may spend doesn't cover the fewest proposals and the call that writes.
        """
        limits = limits_of(options.limit(self.budget))
        if limits is None:
            return
        left = minus(limits, spent(state.get("ledger") or []))
        for name, need in self._least(state, options).items():
            limit = left[name]  # type: ignore[literal-required]
            if limit is not None and need > limit:
                raise BudgetTooSmall(
                    f"{self.mixture}: budget.{name}: of {limit:g} an answer can't be paid for, which may take up to "
                    f"{need:g} for {self.min_live} proposal(s) (min_live) and the call that writes. Raise the budget, "
                    "or lower max_tokens."
                )

    def _least(self, state: MoaState, options: Options) -> dict[str, float]:
        """Calls, tokens and dollars of the fewest proposals and the answer's call, on the way that needs the least."""
        first = self.stages[0]
        wanted = self.min_live if first.stage.proposes else int(first.site.is_last)
        wanted = max(wanted - len(Scene(first.site, state, options).own_live()), 0)
        needs = [unit.first for unit in self._units(first, state, options, None)]
        closing = [
            NOTHING if way.last is first else self._expected(way.last, way, state, options)
            for way in self.ways(state["turn"])
        ]

        def least(name: str) -> float:
            cheapest = sorted(need[name] or 0 for need in needs)  # type: ignore[literal-required]
            return sum(cheapest[:wanted], min(need[name] or 0 for need in closing))  # type: ignore[literal-required]

        return {name: least(name) for name in NOTHING}

    def _grants(self, placed: Placed, state: MoaState, options: Options, budget: Budget) -> dict[str, Grant]:
        limits = limits_of(budget)
        if limits is None:
            return {}
        left = minus(limits, spent(state.get("ledger") or []))
        units = self._units(placed, state, options, None)
        if placed.site.is_last:
            return hand_out(left, NOTHING, units, closing=True)
        later, closing = NOTHING, NOTHING
        for way in self.ways(state["turn"]):
            *between, last = [
                self._expected(one, way, state, options) for one in way.stages if one.site.index > placed.site.index
            ]
            later, closing = larger(later, reduce(plus, between, NOTHING)), larger(closing, last)
        return hand_out(minus(left, closing), later, units)

    def _expected(self, placed: Placed, way: Way, state: MoaState, options: Options) -> Grant:
        """What a stage that is still to come is expected to need for its first calls."""
        on_its_way: MoaState = {**state, "turn": {**state["turn"], "routes": dict(way.routes)}}
        units = self._units(placed, on_its_way, options, self._expected_bytes(placed, way))
        return reduce(plus, (unit.first for unit in units), NOTHING)

    @staticmethod
    def _expected_bytes(placed: Placed, way: Way) -> int:
        """Room for the references that a stage will be shown, before they are written."""
        proposing = [one for one in way.stages if one.site.index < placed.site.index and one.stage.proposes]
        seats = proposing[-1].site.seats if proposing else ()
        return sum(
            seat.slot.samples * BYTES_PER_EXPECTED_TOKEN * (seat.members[0].settings.max_tokens or 0) for seat in seats
        )

    def _units(self, placed: Placed, state: MoaState, options: Options, expected: int | None) -> list[Unit]:
        return placed.stage.units(placed.site, Scene(placed.site, state, options), expected)

    def _time(self, placed: Placed, state: MoaState, deadline: float | None, options: Options) -> float | None:
        """Seconds for a stage. The time that the answer's stage needs is kept free."""
        if deadline is None:
            return None
        left = max(deadline - state["turn"].get("active", 0.0), 0.0)
        if placed.site.is_last:
            return left
        seats = [seat for way in self.ways(state["turn"]) for seat in way.last.site.seats]
        timeouts = [seat.slot.timeout for seat in seats if seat.slot.timeout is not None]
        kept = min(max(timeouts, default=deadline / 3), deadline / 2)
        return max(left - kept, 0.0)


def namespace(runtime: Runtime[Any]) -> str:
    """Where the running node is: its graph's path below the root graph, and its own task."""
    return runtime.execution_info.checkpoint_ns if runtime.execution_info else ""


def round_key(runtime: Runtime[Any], stage: str) -> tuple[int, str, str]:
    """What tells one stage of one run from every other that is in flight in the process."""
    return id(runtime.control), namespace(runtime).rpartition("|")[0], stage


def is_chosen(seat: Seat, options: Options) -> bool:
    """Whether this run asks the seat."""
    return options.proposers is None or seat.name in options.proposers


def chosen(seats: Sequence[Seat], options: Options) -> list[Seat]:
    """The seats that this run asks."""
    return [seat for seat in seats if is_chosen(seat, options)]
