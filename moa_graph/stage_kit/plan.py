"""What the stages of one graph share: their paths, the budget that they are handed parts of, and their rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from langgraph.config import get_config
from langgraph.runtime import Runtime, get_runtime

from moa_graph.calls.budget import (
    BYTES_PER_EXPECTED_TOKEN,
    NOTHING,
    PlannedAnswer,
    hand_out,
    larger,
    limits_of,
    minus,
    plus,
    spent,
)
from moa_graph.calls.limits import Limits
from moa_graph.calls.round import Rounds
from moa_graph.context import read_options
from moa_graph.description import Budget
from moa_graph.errors import BudgetTooSmall
from moa_graph.models.catalogue import Member
from moa_graph.options import Options
from moa_graph.stage_kit import paths
from moa_graph.stage_kit.bound import BoundSlot, BoundStage
from moa_graph.stage_kit.paths import Path
from moa_graph.stage_kit.run_context import RunContext
from moa_graph.state import Grant, MoaState, Turn
from moa_graph.store import Store

__all__ = ["Plan", "chosen", "is_chosen", "namespace", "round_key"]


@dataclass
class Plan:
    """One mixture's stages in their order, and what they share.

    Args:
        mixture: Name of the mixture.
        budget: What one turn may spend.
        min_live: Fewest live proposals with which a turn goes on.
        members: The mixture's models by name.
        options: The class of its run-time options.
        usual: Those of every run, where a run doesn't choose otherwise.
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
    usual: Options | None = None
    simulated: bool = False
    store: Store | None = None
    limits: Mapping[str, Limits] = field(default_factory=dict)
    stages: list[BoundStage] = field(default_factory=list)
    rounds: Rounds = field(default_factory=Rounds)

    @property
    def everyone(self) -> list[Member]:
        """The models that may be asked, slot by slot."""
        return [member for bound in self.stages for slot in bound.slots for member in slot.everyone]

    def options_of(self, runtime: Runtime[Any] | None = None) -> Options:
        """What was chosen for the run that the calling node is part of."""
        runtime = runtime or get_runtime()
        return read_options(
            self.options,
            runtime.context,
            root="|" not in namespace(runtime),
            usual=self.usual,
            configurable=get_config().get("configurable"),
            mixture=self.mixture,
        )

    def members_of(self, slot: BoundSlot, bound: BoundStage, options: Options) -> tuple[Member, ...]:
        """The models to ask for a slot: a run may choose who writes the answer, and with which parameters."""
        members = slot.members
        if options.aggregator is not None and bound.stage.answers:
            chosen = self.members[options.aggregator]
            members = (chosen, *(member for member in members if member.name != chosen.name))
        if bound.stage.writes and bound.is_last and (parameters := options.writer):
            members = tuple(member.asked_with(parameters, capped=options.answer.capped) for member in members)
        return members

    def taken(self, turn: Turn) -> list[BoundStage]:
        """The stages that a turn passes, as far as its routes are decided."""
        return paths.taken(self.stages, turn)

    def paths(self, turn: Turn) -> list[Path]:
        """Every path that a turn may take yet."""
        return paths.paths(self.stages, turn)

    def following(self, bound: BoundStage) -> list[BoundStage]:
        """The stages of which one follows ``bound`` where the run goes on; none after the last."""
        return paths.following(self.stages, bound)

    def next_after(self, bound: BoundStage, turn: Turn) -> BoundStage | None:
        """The stage that comes next in this turn; None where that is the answer."""
        return paths.next_after(self.stages, bound, turn)

    def open(self, bound: BoundStage | None, state: MoaState, options: Options) -> Turn:
        """What a stage is handed before it starts: grants for its answers, and its time."""
        if bound is None:
            return {"grants": {}, "time": None}
        budget = options.limit(self.budget)
        return {
            "grants": self._grants(bound, state, options, budget),
            "time": self._time(bound, state, budget.deadline, options),
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
            limit = left[name]  # type: ignore[literal-required]  # a grant's field
            if limit is not None and need > limit:
                raise BudgetTooSmall(
                    f"{self.mixture}: budget.{name}: the budget is {limit:g} {_IN_WORDS[name]}; an answer may need "
                    f"{need:g}: {self.min_live} proposal(s) (min_live) and the call that writes it. Raise the budget, "
                    "or lower max_tokens."
                )

    def _least(self, state: MoaState, options: Options) -> dict[str, float]:
        """Calls, tokens and dollars of the fewest proposals and the answer's call, on the path that needs the least."""
        first = self.stages[0]
        wanted = self.min_live if first.stage.proposes else int(first.is_last)
        wanted = max(wanted - len(RunContext(first, state, options).own_live()), 0)
        needs = [answer.first for answer in self._planned(first, state, options, None)]
        closing = [
            NOTHING if path.last is first else self._expected(path.last, path, state, options)
            for path in self.paths(state["turn"])
        ]

        def least(name: str) -> float:
            cheapest = sorted(need[name] or 0 for need in needs)  # type: ignore[literal-required]  # a grant's field
            return sum(cheapest[:wanted], min(need[name] or 0 for need in closing))  # type: ignore[literal-required]  # a grant's field

        return {name: least(name) for name in NOTHING}

    def _grants(self, bound: BoundStage, state: MoaState, options: Options, budget: Budget) -> dict[str, Grant]:
        limits = limits_of(budget)
        if limits is None:
            return {}
        left = minus(limits, spent(state.get("ledger") or []))
        planned = self._planned(bound, state, options, None)
        if bound.is_last:
            return hand_out(left, NOTHING, planned, closing=True)
        later, closing = NOTHING, NOTHING
        for path in self.paths(state["turn"]):
            *between, last = [
                self._expected(one, path, state, options) for one in path.stages if one.index > bound.index
            ]
            later, closing = larger(later, reduce(plus, between, NOTHING)), larger(closing, last)
        return hand_out(minus(left, closing), later, planned)

    def _expected(self, bound: BoundStage, path: Path, state: MoaState, options: Options) -> Grant:
        """What a stage that is still to come is expected to need for its first calls."""
        on_this_path: MoaState = {**state, "turn": {**state["turn"], "routes": dict(path.routes)}}
        planned = self._planned(bound, on_this_path, options, self.expected_bytes(bound, path))
        return reduce(plus, (answer.first for answer in planned), NOTHING)

    @staticmethod
    def expected_bytes(bound: BoundStage, path: Path) -> int:
        """Room for the references that a stage will be shown, before they are written."""
        proposing = [one for one in path.stages if one.index < bound.index and one.stage.proposes]
        slots = proposing[-1].slots if proposing else ()
        return sum(
            slot.samples * BYTES_PER_EXPECTED_TOKEN * (slot.members[0].settings.max_tokens or 0) for slot in slots
        )

    def _planned(
        self, bound: BoundStage, state: MoaState, options: Options, expected: int | None
    ) -> list[PlannedAnswer]:
        return bound.stage.planned_answers(bound, RunContext(bound, state, options), expected)

    def _time(self, bound: BoundStage, state: MoaState, deadline: float | None, options: Options) -> float | None:
        """Seconds for a stage. The time that the answer's stage needs is kept free."""
        if deadline is None:
            return None
        left = max(deadline - state["turn"].get("active", 0.0), 0.0)
        if bound.is_last:
            return left
        slots = [slot for path in self.paths(state["turn"]) for slot in path.last.slots]
        timeouts = [slot.slot.timeout for slot in slots if slot.slot.timeout is not None]
        kept = min(max(timeouts, default=deadline / 3), deadline / 2)
        return max(left - kept, 0.0)


_IN_WORDS = {"calls": "calls", "tokens": "tokens", "usd": "US dollars"}


def namespace(runtime: Runtime[Any]) -> str:
    """Where the running node is: its graph's path below the root graph, and its own task."""
    return runtime.execution_info.checkpoint_ns if runtime.execution_info else ""


def round_key(runtime: Runtime[Any], stage: str) -> tuple[int, str, str]:
    """What tells one stage of one run from every other that is in flight in the process."""
    return id(runtime.control), namespace(runtime).rpartition("|")[0], stage


def is_chosen(slot: BoundSlot, options: Options) -> bool:
    """Whether this run asks the slot."""
    return options.proposers is None or slot.name in options.proposers


def chosen(slots: Sequence[BoundSlot], options: Options) -> list[BoundSlot]:
    """The slots that this run asks."""
    return [slot for slot in slots if is_chosen(slot, options)]
