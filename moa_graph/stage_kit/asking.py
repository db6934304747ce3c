"""Stages that ask models: what each slot is asked for, and the asking itself."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime, get_runtime
from pydantic import BaseModel, Field

from moa_graph.calls.budget import PlannedAnswer, most_of_one_call
from moa_graph.calls.call import NodeContext
from moa_graph.calls.request import AnswerRequest
from moa_graph.calls.round import Round
from moa_graph.calls.stored import EqualCalls
from moa_graph.description import PositiveSeconds
from moa_graph.stage_kit.base import Stage
from moa_graph.stage_kit.bound import BoundSlot, BoundStage
from moa_graph.stage_kit.gathering import Gathered, gather_answers
from moa_graph.stage_kit.plan import round_key
from moa_graph.stage_kit.requests import Task, answer_settings, request_for, whole_prompt
from moa_graph.stage_kit.run_context import RunContext
from moa_graph.stage_kit.selection import Choice
from moa_graph.state import Record
from moa_graph.views import Prompt

__all__ = ["ModelStage"]


class ModelStage(Stage):
    """A stage that asks models. What they give may lead to a choice, with which the stage concludes."""

    record_kind: ClassVar[str] = "proposal"
    """What its models' records are called."""

    answer_schema: ClassVar[type[BaseModel] | None] = None
    """What a structured answer must fit, as a pydantic class; None for free text."""

    timeout: PositiveSeconds | None = Field(
        default=60.0, description="For one answer, retries included; a slot's own wins."
    )
    cap: int = Field(
        default=32_000, ge=200, description="Most characters of an answer that other models are shown: head and tail."
    )

    def answer_model(self) -> type[BaseModel] | None:
        """What the answers must fit, where that depends on the stage's fields."""
        return self.answer_schema

    @abstractmethod
    def prompt(self, slot: BoundSlot, run: RunContext) -> Prompt:
        """What the model in ``slot`` is shown."""

    def tasks(self, slot: BoundSlot, run: RunContext) -> list[Task]:
        """The answers that a slot is asked for: one a sample, all shown the same."""
        prompt = self.prompt(slot, run)
        return [Task(sample, prompt) for sample in range(slot.samples)]

    def finished(self, record: Record, slot: BoundSlot, run: RunContext) -> Record:
        """A record as it goes into the state."""
        return record

    def conclude(self, run: RunContext) -> Choice | None:
        """What follows from what the models gave, or from their failures; None where the run simply goes on.

        A stage that may end the run by its choice says so in :meth:`may_end`.
        """
        return None

    def planned_answers(self, bound: BoundStage, run: RunContext, expected: int | None = None) -> list[PlannedAnswer]:
        """One answer a task of each slot that this run asks."""
        return [answer for slot in self.asked_slots(run) for answer in self._planned_of(slot, run, expected or 0)]

    def asked_slots(self, run: RunContext) -> Sequence[BoundSlot]:
        """The slots that this run asks."""
        return run.stage.slots

    def _planned_of(self, slot: BoundSlot, run: RunContext, expected: int) -> list[PlannedAnswer]:
        if run.asks_nobody:
            return []
        members = run.stage.plan.members_of(slot, run.stage, run.options)
        everyone = members if slot.hedge is None else (*members, slot.hedge)
        settings = answer_settings(self, run)
        planned = []
        for task in self._missing(slot, run):
            prompt_bytes = whole_prompt(task.prompt, settings, run.stage).bytes + expected
            first = most_of_one_call(prompt_bytes, everyone[0].most_output, everyone[0].price)
            roomy = [one.with_more_room() if one.room else one for one in everyone]
            needs = [most_of_one_call(prompt_bytes, one.most_output, one.price) for one in roomy]
            dearest = max(needs, key=lambda need: (need["usd"] or 0.0, need["tokens"] or 0))
            further = (settings.tries or slot.slot.tries) * len(everyone) - 1
            planned.append(PlannedAnswer(slot.record_id(task.sample), first, dearest, further))
        return planned

    def _missing(self, slot: BoundSlot, run: RunContext) -> list[Task]:
        """The tasks whose answers the turn doesn't have yet."""
        present = run.own_live()
        return [task for task in self.tasks(slot, run) if slot.record_id(task.sample) not in present]

    async def ask_slot(self, slot: BoundSlot, run: RunContext, config: RunnableConfig) -> Gathered:
        """Asks a slot for the answers that the turn doesn't have yet."""
        return ([], []) if run.asks_nobody else await self.ask_tasks(slot, run, self._missing(slot, run), config)

    async def ask_tasks(
        self, slot: BoundSlot, run: RunContext, tasks: Sequence[Task], config: RunnableConfig, *, streamed: bool = True
    ) -> Gathered:
        """Asks a slot for several answers side by side.

        Args:
            slot: The slot.
            run: What there is to be shown.
            tasks: The answers to ask for.
            config: The node's configuration.
            streamed: Whether the tokens may be the answer's.
        """
        if not tasks:
            return [], []
        runtime = get_runtime()
        async with self._shared_round(run, config, runtime) as current:
            requests = [request_for(self, slot, run, task, current.prompts, streamed=streamed) for task in tasks]
            node = surroundings(run, config, runtime, current)
            if node.store is not None:
                requests = self._numbered(requests, run, current)
            records, calls = await gather_answers(requests, node)
        return [self.finished(record, slot, run) for record in records], calls

    def _numbered(self, requests: Sequence[AnswerRequest], run: RunContext, current: Round) -> list[AnswerRequest]:
        """The requests, told apart from equal ones of the turn: of earlier stages, and of all slots of this one."""
        if current.equal_calls is None:
            name, slots = run.stage.name, self.asked_slots(run)
            current.equal_calls = EqualCalls(call for call in run.state.get("ledger") or () if call["stage"] != name)
            current.equal_calls.numbered(
                [
                    request_for(self, slot, run, task, current.prompts)
                    for slot in slots
                    for task in self.tasks(slot, run)
                ]
            )
        return current.equal_calls.numbered(requests)

    def _shared_round(
        self, run: RunContext, config: RunnableConfig, runtime: Runtime[Any]
    ) -> AbstractAsyncContextManager[Round]:
        """The round that the stage's calls are part of, in whichever nodes they are made."""

        async def make() -> Round:
            return await self.open_round(run, config, runtime)

        return run.stage.plan.rounds.join(round_key(runtime, run.stage.name), runtime.stream_writer, make)

    async def open_round(self, run: RunContext, config: RunnableConfig, runtime: Runtime[Any]) -> Round:
        """A round that ends with its last call, or when the stage's time is up."""
        return Round(time=run.state["turn"].get("time"), control=runtime.control)


def surroundings(run: RunContext, config: RunnableConfig, runtime: Runtime[Any], current: Round) -> NodeContext:
    """What the calls of the running node share."""
    plan, grants = run.stage.plan, run.state["turn"].get("grants") or None
    return NodeContext(plan.mixture, config, runtime.stream_writer, current, plan.store, grants, plan.limits)
