"""Aggregate: one model writes the answer from the proposals.

Sources: Wang et al. 2024, arXiv 2406.04692, section 2.2; in a sliding window, Self-MoA-Seq (Li et al. 2025, arXiv
2502.00674, section 5).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Literal

from langchain_core.runnables import RunnableConfig
from langgraph.graph import StateGraph
from pydantic import Field

from moa_graph.calls.budget import BYTES_PER_EXPECTED_TOKEN
from moa_graph.description import Description
from moa_graph.errors import MixtureError, RunFailed
from moa_graph.stage_kit.base import register
from moa_graph.stage_kit.bound import BoundSlot, BoundStage
from moa_graph.stage_kit.closing import failure_reasons
from moa_graph.stage_kit.gathering import Gathered
from moa_graph.stage_kit.instruction import AGGREGATE_AND_SYNTHESIZE, REFERENCES_PLACE, ReferencesPlace
from moa_graph.stage_kit.requests import Task
from moa_graph.stage_kit.run_context import RunContext
from moa_graph.stage_kit.selection import Choice, shuffled
from moa_graph.stage_kit.single import SingleSlot
from moa_graph.state import ill_formed, live, shown_text
from moa_graph.views import Prompt

__all__ = ["Aggregate", "Window"]


class Window(Description):
    """Proposals aggregated a few at a time, each step with what came of the ones before."""

    size: int = Field(default=6, ge=2, description="References that one step is shown.")
    keep: int = Field(default=3, ge=1, description="How often the synthesis so far stands among them.")


class Staircase(Description):
    """An aggregator that doesn't wait for the ends of the proposals: what they have written by then is all it sees.

    After Staircase Streaming (arXiv 2510.05059), without its later chunks: the proposals end where it begins.
    """

    tokens: int = Field(ge=1, description="Of each proposal, before the aggregator may begin.")


@register
class Aggregate(SingleSlot):
    """One slot, shown the last layer's live proposals, writes the answer; its tokens are streamed."""

    kind: ClassVar[str] = "aggregate"
    answers: ClassVar[bool] = True
    shown: ClassVar[bool] = True
    writes: ClassVar[bool] = True
    record_kind: ClassVar[str] = "synthesis"

    view: Literal["all", "none", "ranked"] = Field(
        default="all",
        description="All live proposals, none (the conversation alone), or all with names, ranks and evaluations.",
    )
    window: Window | None = Field(default=None, description="Aggregates step by step instead of all at once.")
    staircase: Staircase | None = Field(
        default=None, description="Begins once the stage before has a quorum of beginnings, rather than of ends."
    )
    references: ReferencesPlace = REFERENCES_PLACE
    instruction: str = Field(default=AGGREGATE_AND_SYNTHESIZE, description="What it is told about the proposals.")

    def begins_with(self) -> int | None:
        """The first tokens of each proposal, with a staircase."""
        return None if self.staircase is None else self.staircase.tokens

    def add_to(self, graph: StateGraph[Any, Any, Any, Any], bound: BoundStage) -> tuple[list[str], str]:
        """One node, right behind the proposals where it is to begin before their ends."""
        before = bound.plan.stages[: bound.index]
        if self.staircase is not None and not any(one.stage.proposes and one.following == [bound] for one in before):
            raise MixtureError(f"{bound.field}: staircase: it needs a stage that proposes right before it")
        return super().add_to(graph, bound)

    def check(self) -> None:
        """There is one answer, and a window that moves."""
        super().check()
        if self.window is not None and self.window.keep >= self.window.size:
            raise ValueError("window.keep: it must be below window.size, or no new proposal is ever shown")

    def prompt(self, slot: BoundSlot, run: RunContext) -> Prompt:
        """The conversation, with the last layer's live proposals; the conversation alone where there are none."""
        texts = tuple(shown_text(record) for record in ([] if self.view == "none" else run.proposals()))
        told = self.instruction
        if self.view == "ranked" and texts:
            texts, who = _with_evaluations(run)
            told = f"{told}\n\n{who}"
        return Prompt(run.conversation, told, texts, role=slot.role, after=self.references == "after")

    def tasks(self, slot: BoundSlot, run: RunContext) -> list[Task]:
        """One synthesis, or one a step of the window; the syntheses between are reckoned with at their longest."""
        whole = self.prompt(slot, run)
        steps = self._steps(whole.references or ())
        longest = "x" * (BYTES_PER_EXPECTED_TOKEN * (slot.members[0].settings.max_tokens or 0))
        kept = (longest,) * (self.window.keep if self.window else 0)
        return [
            Task(index, replace(whole, references=(*kept, *new) if index else new)) for index, new in enumerate(steps)
        ]

    async def answers_of(self, slot: BoundSlot, run: RunContext, config: RunnableConfig) -> Gathered:
        """Each step of the window is shown the synthesis of the one before. Steps that a killed run took stand."""
        whole, there = self.prompt(slot, run), run.own_live()
        steps = self._steps(whole.references or ())
        gathered: Gathered = ([], [])
        for index, new in enumerate(steps):
            if (taken := there.get(slot.record_id(index))) is not None:
                gathered[0].append(taken)
                continue
            kept = (shown_text(gathered[0][-1]),) * self.window.keep if self.window and index else ()
            task = Task(index, replace(whole, references=(*kept, *new)))
            step = await self.ask_tasks(slot, run, [task], config, streamed=index == len(steps) - 1)
            gathered = (gathered[0] + step[0], gathered[1] + step[1])
            if not live(step[0]):
                break
        return gathered

    def conclude(self, run: RunContext) -> Choice | None:
        """Without anything that a reader could be shown there is no answer to fall back on."""
        if run.stage.is_last and ill_formed(run.own_records()) is not None:
            return None
        if not any(one.given(run.records) for one in (*run.earlier, run.stage)):
            listed = "".join(f"\n  {reason}" for reason in failure_reasons(run.own_records()))
            raise RunFailed(f"{run.stage.name}: no model gave an answer. Ask again, or name fallbacks.{listed}")
        own = run.own_records()
        if not live(own) and not run.stage.is_last:
            return Choice(degraded=f"{run.stage.name} gave no synthesis: what it was shown is passed on")
        if self.window is not None and live(own) and len(live(own)) < len(own):
            return Choice(degraded=f"{run.stage.name} stopped at step {len(own)}: later samples weren't used")
        return None

    def _steps(self, references: tuple[str, ...]) -> list[tuple[str, ...]]:
        """The new references of each step."""
        if self.window is None or len(references) <= self.window.size:
            return [references]
        size, new = self.window.size, self.window.size - self.window.keep
        rest = references[size:]
        return [references[:size], *(rest[start : start + new] for start in range(0, len(rest), new))]


def _with_evaluations(run: RunContext) -> tuple[tuple[str, ...], str]:
    """The proposals under the numbers that their evaluations speak of, and the evaluations; and who gave what.

    Names and ranks are told outside of the fences: within them, any proposal could claim a rank.
    """
    proposals = shuffled(run.proposals())
    rankings = [one for one in live(run.records) if one["kind"] == "ranking" and "ranked" in (one.get("data") or {})]
    ranks: dict[str, list[int]] = {record["id"]: [] for record in proposals}
    for ranking in rankings:
        for place, ranked in enumerate(ranking["data"]["ranked"], start=1):
            if ranked in ranks:
                ranks[ranked].append(place)
    told = [
        f"Response {number} is {record['slot']}'s answer; {_in_words(ranks[record['id']])}."
        for number, record in enumerate(proposals, start=1)
    ]
    spoken = [one for one in rankings if one["data"].get("evaluation", "").strip()]
    told += [
        f"Response {number} is {one['slot']}'s evaluation of responses 1 to {len(proposals)}."
        for number, one in enumerate(spoken, start=len(proposals) + 1)
    ]
    texts = [shown_text(record) for record in proposals] + [one["data"]["evaluation"] for one in spoken]
    return tuple(texts), " ".join(told)


def _in_words(given: list[int]) -> str:
    return f"the members ranked it {', '.join(map(str, sorted(given)))}" if given else "no member ranked it"
