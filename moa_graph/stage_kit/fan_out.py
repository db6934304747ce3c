"""Stages whose slots work side by side: one node a slot, joined by a node that closes the round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.graph import StateGraph
from langgraph.runtime import Runtime, get_runtime

from moa_graph.calls.round import Round
from moa_graph.errors import ASK_AGAIN, TooFewProposals
from moa_graph.options import Options
from moa_graph.side_by_side import side_by_side
from moa_graph.stage_kit.asking import ModelStage
from moa_graph.stage_kit.bound import BoundSlot, BoundStage
from moa_graph.stage_kit.closing import closing_update, failure_reasons
from moa_graph.stage_kit.gathering import Gathered, together, with_gathered
from moa_graph.stage_kit.node import Node, NodeBody
from moa_graph.stage_kit.plan import chosen, is_chosen, round_key
from moa_graph.stage_kit.requests import first_tokens
from moa_graph.stage_kit.resume import finished_siblings, is_resumed
from moa_graph.stage_kit.run_context import RunContext
from moa_graph.stage_kit.selection import selected_update
from moa_graph.state import MoaState, live

__all__ = ["FanOut"]


class FanOut(ModelStage):
    """A stage that asks each of its slots once for every sample, all at the same time.

    A subclass has a field ``slots`` and says what each is shown: see :meth:`prompt`, or :meth:`tasks` where one slot is
    asked for several different things. Its join may choose from what came: see :meth:`conclude`.
    """

    def closes_at(self, options: Options) -> tuple[int | None, float]:
        """Live records that close the round (None: all), and the grace in seconds after that."""
        return None, 0.0

    def may_fall_short(self) -> bool:
        """Whether the turn goes on with fewer live proposals than ``min_live``."""
        return False

    def asked_slots(self, run: RunContext) -> Sequence[BoundSlot]:
        """The slots that this run chooses."""
        return chosen(run.stage.slots, run.options)

    def add_to(self, graph: StateGraph[Any, Any, Any, Any], bound: BoundStage) -> tuple[list[str], str]:
        """A node for each slot, and the join."""
        join = f"{bound.name}/join"
        for slot in bound.slots:
            graph.add_node(slot.node, Node(self._worker(bound, slot)))
            graph.add_edge(slot.node, join)
        graph.add_node(join, Node(self._join(bound)))
        return [slot.node for slot in bound.slots], join

    async def open_round(self, run: RunContext, config: RunnableConfig, runtime: Runtime[Any]) -> Round:
        """A round that may close before its last call: at its quorum, or once enough answers have begun."""
        quorum, grace = self.closes_at(run.options)
        staircase = first_tokens(run.stage) is not None
        counts = staircase or quorum is not None
        before = await finished_siblings(config, runtime, run.stage.name) if counts else []
        present = {**run.own_live(), **{record["id"]: record for record in live(before)}}
        expected = sum(slot.samples for slot in self.asked_slots(run)) - (len(before) - len(live(before)))
        current = Round(
            quorum,
            grace,
            run.state["turn"].get("time"),
            live=len(present),
            beginnings=(quorum or expected) if staircase else None,
            expected=expected,
            control=runtime.control,
        )
        for record in present:
            current.count_beginning(record)
        return current

    def _worker(self, bound: BoundStage, slot: BoundSlot) -> NodeBody:
        async def work(state: MoaState, config: RunnableConfig) -> dict[str, Any]:
            run = RunContext.of(bound, state)
            if not is_chosen(slot, run.options):
                return {}
            records, ledger = await self.ask_slot(slot, run, config)
            update: dict[str, Any] = {"records": records, "ledger": ledger}
            return {**update, "turn": {"resumed": True}} if is_resumed(config) else update

        return work

    def _join(self, bound: BoundStage) -> NodeBody:
        async def close(state: MoaState, config: RunnableConfig) -> dict[str, Any]:
            run, key = RunContext.of(bound, state), round_key(get_runtime(), bound.name)
            seconds = bound.plan.rounds.leave(key)
            asked_again: Gathered = ([], [])
            if seconds is None and self._falls_short(run):
                # No slot ran in this run: it goes on after a failure, so that the failed slots are asked again.
                asked_again = await self._ask_again(run, config)
                seconds = bound.plan.rounds.leave(key)
                run = RunContext.of(bound, with_gathered(state, asked_again))
            if self._falls_short(run):
                raise self._too_few(run)
            return self._closed(run, asked_again, seconds)

        return close

    def _closed(self, run: RunContext, asked_again: Gathered, seconds: float | None) -> dict[str, Any]:
        choice = self.conclude(run)
        update = closing_update(run, seconds) if choice is None else selected_update(run, choice, seconds)
        records, ledger = asked_again
        written = [*records, *update.get("records", [])]
        return {**update, "records": written, "ledger": ledger} if written else update

    async def _ask_again(self, run: RunContext, config: RunnableConfig) -> Gathered:
        turn = run.stage.plan.open(run.stage, run.state, run.options)
        state: MoaState = {**run.state, "turn": {**run.state["turn"], **turn}}
        again = RunContext(run.stage, state, run.options)
        return together(await side_by_side([self.ask_slot(slot, again, config) for slot in self.asked_slots(run)]))

    def _falls_short(self, run: RunContext) -> bool:
        """Whether there are too few live proposals to go on with, here and in the stages before."""
        if not self.proposes or self.may_fall_short() or len(live(run.own_records())) >= run.stage.plan.min_live:
            return False
        return not run.proposals()

    def _too_few(self, run: RunContext) -> TooFewProposals:
        own = run.own_records()
        kinds = {record["failure"]["kind"] for record in own if record["failure"] is not None}
        remedy = _REMEDIES.get(kinds.pop(), ASK_AGAIN) if len(kinds) == 1 else ASK_AGAIN
        needed = run.stage.plan.min_live
        return TooFewProposals(run.stage.name, len(live(own)), needed, failure_reasons(own), remedy)


_REMEDIES = {
    "auth": "Correct the key, then ask again: only the failed slots are asked.",
    "context_overflow": "Shorten the conversation, or ask models with a larger window.",
}
"""What to do where all slots failed in the same way, and would again."""
