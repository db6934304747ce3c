"""Stages whose slots work side by side: one node a slot, joined by a node that closes the round."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, ClassVar

from langchain_core.runnables import RunnableConfig
from langgraph.config import get_config
from langgraph.graph import StateGraph
from langgraph.runtime import Runtime, get_runtime
from pydantic import BaseModel, Field

from moa_graph.calls.budget import Unit, bytes_of_prompt, most_of_one_call
from moa_graph.calls.call import Surroundings, ask
from moa_graph.calls.request import Hedge, Request
from moa_graph.calls.round import Round
from moa_graph.calls.samples import Together, can_be_together
from moa_graph.calls.stored import EqualCalls
from moa_graph.calls.structured import instruction_for
from moa_graph.description import PositiveSeconds
from moa_graph.errors import TooFewProposals
from moa_graph.form import Form
from moa_graph.models.catalogue import Member
from moa_graph.options import AnswerSettings, Options
from moa_graph.stages.base import Scene, Seat, Site, Stage, Task
from moa_graph.stages.node import Node
from moa_graph.stages.plan import Plan, chosen, is_chosen, round_key
from moa_graph.stages.resume import finished_siblings, is_resumed
from moa_graph.state import Call, MoaState, Record, live, merge_by_id
from moa_graph.tool_texts import without_tool_messages
from moa_graph.views import Prompt

__all__ = ["FanOut", "Gathered", "closing_update", "reasons", "with_gathered"]

Gathered = tuple[list[Record], list[Call]]


class FanOut(Stage):
    """A stage that asks each of its slots once for every sample, all at the same time."""

    record_kind: ClassVar[str] = "proposal"

    timeout: PositiveSeconds | None = Field(
        default=60.0, description="For one answer, retries included; a slot's own wins."
    )
    cap: int = Field(default=32_000, ge=200, description="Most characters of an answer that are kept: head and tail.")

    answer_schema: ClassVar[type[BaseModel] | None] = None
    """What a structured answer must fit; None for free text."""

    def form(self) -> type[BaseModel] | None:
        """What the answers must fit."""
        return self.answer_schema

    @abstractmethod
    def prompt(self, seat: Seat, scene: Scene) -> Prompt:
        """What the model in ``seat`` is shown."""

    def tasks(self, seat: Seat, scene: Scene) -> list[Task]:
        """The answers that a slot is asked for: one a sample, all shown the same."""
        prompt = self.prompt(seat, scene)
        return [Task(sample, prompt) for sample in range(seat.slot.samples)]

    def closes_at(self, options: Options) -> tuple[int | None, float]:
        """Live records that close the round (None: all), and the grace in seconds after that."""
        return None, 0.0

    def may_fall_short(self) -> bool:
        """Whether the turn goes on with fewer live proposals than ``min_live``."""
        return False

    def add_to(self, graph: StateGraph[Any, Any, Any, Any], site: Site) -> tuple[list[str], str]:
        """A node for each slot, and the join."""
        join = f"{site.name}/join"
        for seat in site.seats:
            graph.add_node(seat.node, Node(self._worker(site, seat)))
            graph.add_edge(seat.node, join)
        graph.add_node(join, Node(self._join(site)))
        return [seat.node for seat in site.seats], join

    def units(self, site: Site, scene: Scene, expected: int | None = None) -> list[Unit]:
        """One unit a sample."""
        return [
            unit for seat in chosen(site.seats, scene.options) for unit in self._units_of(site, seat, scene, expected)
        ]

    def _units_of(self, site: Site, seat: Seat, scene: Scene, expected: int | None) -> list[Unit]:
        if scene.asks_nobody:
            return []
        members = site.plan.members_of(seat, self, scene.options)
        present = scene.own_live()
        asked = self._asked_of(scene)
        return [
            self._unit(
                seat.record(task.sample),
                bytes_of_prompt(self._prompt_of(task, asked)) + (expected or 0),
                members if seat.hedge is None else (*members, seat.hedge),
                asked.tries or seat.slot.tries,
            )
            for task in self.tasks(seat, scene)
            if seat.record(task.sample) not in present
        ]

    @staticmethod
    def _unit(record: str, prompt_bytes: int, members: tuple[Member, ...], tries: int) -> Unit:
        needs = [most_of_one_call(prompt_bytes, member.settings.max_tokens, member.price) for member in members]
        dearest = max(needs, key=lambda need: (need["usd"] or 0.0, need["tokens"] or 0))
        return Unit(record, needs[0], dearest, tries * len(members) - 1)

    def _worker(
        self, site: Site, seat: Seat
    ) -> Callable[[MoaState, RunnableConfig], Coroutine[Any, Any, dict[str, Any]]]:
        async def work(state: MoaState, config: RunnableConfig) -> dict[str, Any]:
            options = site.plan.options_of()
            if not is_chosen(seat, options):
                return {}
            records, ledger = await self.ask_seat(seat, Scene(site, state, options), config)
            update = {"records": records, "ledger": ledger}
            return {**update, "turn": {"resumed": True}} if is_resumed(config) else update

        return work

    async def ask_seat(self, seat: Seat, scene: Scene, config: RunnableConfig) -> Gathered:
        """Asks a slot for the answers that the turn doesn't have yet."""
        if scene.asks_nobody:
            return [], []
        present = scene.own_live()
        missing = [task for task in self.tasks(seat, scene) if seat.record(task.sample) not in present]
        return await self.ask_tasks(seat, scene, missing, config)

    async def ask_tasks(
        self, seat: Seat, scene: Scene, tasks: Sequence[Task], config: RunnableConfig, *, streamed: bool = True
    ) -> Gathered:
        """Asks a slot for several answers side by side.

        Args:
            seat: The slot.
            scene: What there is to be shown.
            tasks: The answers to ask for.
            config: The node's configuration.
            streamed: Whether the tokens may be the answer's.
        """
        if not tasks:
            return [], []
        members = scene.site.plan.members_of(seat, self, scene.options)
        requests = [self.request(seat, scene, task, members, streamed) for task in tasks]
        runtime = get_runtime()
        async with self._round(scene, config, runtime) as current:
            around = surroundings(scene.site.plan, scene.state, config, runtime, current)
            if around.store is not None:
                requests = self._numbered(requests, scene, current)
            records, calls = await _answers(requests, around)
        return [self.finished(record, seat, scene) for record in records], calls

    def _numbered(self, requests: Sequence[Request], scene: Scene, current: Round) -> list[Request]:
        """The requests, told apart from equal ones of the turn: of earlier stages, and of all slots of this one."""
        if current.equal_calls is None:
            name = scene.site.name
            current.equal_calls = EqualCalls(call for call in scene.state.get("ledger") or () if call["stage"] != name)
            current.equal_calls.numbered(
                [
                    self.request(seat, scene, task, scene.site.plan.members_of(seat, self, scene.options))
                    for seat in chosen(scene.site.seats, scene.options)
                    for task in self.tasks(seat, scene)
                ]
            )
        return current.equal_calls.numbered(requests)

    def finished(self, record: Record, seat: Seat, scene: Scene) -> Record:
        """A record as it goes into the state."""
        return record

    def request(
        self, seat: Seat, scene: Scene, task: Task, members: tuple[Member, ...], streamed: bool = True
    ) -> Request:
        """What is asked of a slot's models for one answer."""
        slot, form = seat.slot, self.form()
        closing = streamed and self.answers and scene.site.is_last and form is None
        asked = self._asked_of(scene, closing=closing)
        return Request(
            record=seat.record(task.sample),
            kind=self.record_kind,
            stage=scene.site.name,
            slot=seat.name,
            node=seat.node,
            sample=task.sample,
            about=task.about,
            order=(scene.site.index, seat.index, task.sample),
            members=members,
            prompt=self._prompt_of(task, asked),
            tries=asked.tries or slot.tries,
            timeout=asked.timeout or slot.timeout or self.timeout,
            partial=slot.partial,
            answers=closing and asked.form is None,
            cap=self.cap,
            schema=asked.form,
            closes=closing,
            parameters=_parameters(asked),
            hedge=_hedge(seat),
            first_tokens=self._first_tokens(scene.site),
            asked_before=[call["record"] for call in scene.state.get("ledger") or ()].count(seat.record(task.sample)),
        )

    def _asked_of(self, scene: Scene, *, closing: bool = True) -> AnswerSettings:
        """What of the caller's wishes this stage's models are told: all where they write the answer."""
        asked, form = scene.options.answer, self.form()
        if closing and self.writes and scene.site.is_last:
            return asked
        if self.proposes and form is None and asked.all_tools:
            return AnswerSettings(tools=asked.tools)
        return AnswerSettings(form=None if form is None else Form.of(form))

    @staticmethod
    def _prompt_of(task: Task, asked: AnswerSettings) -> Prompt:
        """What the model is shown, with the tools that it is offered and what it is told of the answer's form."""
        prompt = task.prompt
        if asked.tools:
            prompt = replace(prompt, tools=asked.tools)
        elif (told := without_tool_messages(prompt.conversation)) is not prompt.conversation:
            prompt = replace(prompt, conversation=told)
        if asked.form is not None:
            prompt = replace(prompt, form=instruction_for(asked.form, beside_tools=bool(asked.tools)))
        return prompt

    def _round(self, scene: Scene, config: RunnableConfig, runtime: Runtime[Any]) -> AbstractAsyncContextManager[Round]:
        async def make() -> Round:
            quorum, grace = self.closes_at(scene.options)
            staircase = self._first_tokens(scene.site) is not None
            counts = staircase or quorum is not None
            before = await finished_siblings(config, runtime, scene.site.name) if counts else []
            present = {**scene.own_live(), **{record["id"]: record for record in live(before)}}
            expected = self._asked(scene) - (len(before) - len(live(before)))
            current = Round(
                quorum,
                grace,
                scene.state["turn"].get("time"),
                live=len(present),
                beginnings=(quorum or expected) if staircase else None,
                expected=expected,
                control=runtime.control,
            )
            for record in present:
                current.count_beginning(record)
            return current

        return scene.site.plan.rounds.join(round_key(runtime, scene.site.name), runtime.stream_writer, make)

    def _first_tokens(self, site: Site) -> int | None:
        """How many tokens of a proposal are enough for the next stage."""
        following = site.following
        return following[0].stage.begins_with() if self.proposes and len(following) == 1 else None

    @staticmethod
    def _asked(scene: Scene) -> int:
        return sum(seat.slot.samples for seat in chosen(scene.site.seats, scene.options))

    def _join(self, site: Site) -> Callable[[MoaState, RunnableConfig], Coroutine[Any, Any, dict[str, Any]]]:
        async def close(state: MoaState, config: RunnableConfig) -> dict[str, Any]:
            runtime = get_runtime()
            scene = Scene(site, state, site.plan.options_of(runtime))
            seconds = site.plan.rounds.leave(round_key(runtime, site.name))
            asked_again: Gathered = ([], [])
            if seconds is None and self._falls_short(scene):
                # No slot ran in this run: it goes on after a failure, so that the failed slots are asked again.
                asked_again = await self._ask_again(scene, config)
                seconds = site.plan.rounds.leave(round_key(runtime, site.name))
                scene = Scene(site, with_gathered(state, asked_again), scene.options)
            if self._falls_short(scene):
                raise self._too_few(scene)
            return {**closing_update(self, scene, runtime, seconds), **_as_update(asked_again)}

        return close

    async def _ask_again(self, scene: Scene, config: RunnableConfig) -> Gathered:
        seats = chosen(scene.site.seats, scene.options)
        turn = scene.site.plan.open(scene.site.plan.stages[scene.site.index], scene.state, scene.options)
        state: MoaState = {**scene.state, "turn": {**scene.state["turn"], **turn}}
        again = Scene(scene.site, state, scene.options)
        return await _side_by_side([self.ask_seat(seat, again, config) for seat in seats])

    def _falls_short(self, scene: Scene) -> bool:
        """Whether there are too few live proposals to go on with, here and in the stages before."""
        if not self.proposes or self.may_fall_short() or len(live(scene.own_records())) >= scene.site.plan.min_live:
            return False
        return not scene.proposals()

    def _too_few(self, scene: Scene) -> TooFewProposals:
        own = scene.own_records()
        return TooFewProposals(scene.site.name, len(live(own)), scene.site.plan.min_live, reasons(own))


def closing_update(stage: Stage, scene: Scene, runtime: Runtime[Any], seconds: float | None) -> dict[str, Any]:
    """What a stage that ends writes: the time it took, and what the next stage is handed. Tells its event."""
    own = scene.own_records()
    if seconds is None:
        seconds = max((record["seconds"] for record in own), default=0.0)
    turn = scene.state["turn"]
    turn = {**turn, "active": turn.get("active", 0.0) + seconds}
    if is_resumed(get_config()):
        turn["resumed"] = True
    state: MoaState = {**scene.state, "turn": turn}
    following = scene.site.plan.next_after(scene.site, turn)
    turn = {**turn, **scene.site.plan.open(following, state, scene.options)}
    alive = len(live(own))
    runtime.stream_writer(
        {
            "type": "stage_finished",
            "mixture": scene.site.plan.mixture,
            "stage": scene.site.name,
            "live": alive,
            "failed": len(own) - alive,
            "seconds": seconds,
            "end": turn.get("end"),
        }
    )
    return {"turn": turn}


def surroundings(
    plan: Plan, state: MoaState, config: RunnableConfig, runtime: Runtime[Any], current: Round
) -> Surroundings:
    """What the calls of the running node share."""
    grants = state["turn"].get("grants") or None
    return Surroundings(plan.mixture, config, runtime.stream_writer, current, plan.store, grants, plan.limits)


def reasons(records: Sequence[Record]) -> list[str]:
    """A line for each failed record: its slot, the kind of failure, and the provider's own words."""
    return [
        f"{record['stage']}/{record['slot']}: {record['failure']['kind']}: {record['failure']['message']}"
        for record in records
        if record["failure"] is not None
    ]


def _hedge(seat: Seat) -> Hedge | None:
    if seat.hedge is None or seat.slot.hedge is None:
        return None
    return Hedge(seat.slot.hedge.after, seat.hedge)


def _parameters(asked: AnswerSettings) -> tuple[tuple[str, Any], ...]:
    stop = {"stop": list(asked.stop)} if asked.stop else {}
    return tuple({**asked.tool_settings, **stop}.items())


async def _answers(requests: Sequence[Request], around: Surroundings) -> Gathered:
    """All at the same time; samples of one prompt in one request where that can be."""
    stored = around.store is not None and around.store.mode != "off"
    if not can_be_together(requests, limited=around.grants is not None, stored=stored):
        return await _side_by_side([_counted(request, around) for request in requests])
    together = Together(requests[0].members[0], len(requests))
    first = await _counted(replace(requests[0], together=together), around)
    others = await _side_by_side([_counted(request, around) for request in together.hand_out(requests[1:])])
    return first[0] + others[0], first[1] + others[1]


async def _counted(request: Request, around: Surroundings) -> Gathered:
    record, calls = await ask(request, around)
    if record["status"] == "live":
        around.round.count_live()
        around.round.count_beginning(record["id"])
    else:
        around.round.count_failed()
    return [record], calls


async def _side_by_side(asking: Sequence[Coroutine[Any, Any, Gathered]]) -> Gathered:
    """Runs them at the same time; all of them end with this, whatever happens."""
    if len(asking) == 1:
        return await asking[0]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in asking]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None  # as it would come from one alone
    gathered = [task.result() for task in tasks]
    return [record for records, _ in gathered for record in records], [call for _, calls in gathered for call in calls]


def with_gathered(state: MoaState, gathered: Gathered) -> MoaState:
    """The state as it will be once ``gathered`` is written."""
    records, calls = gathered
    return {
        **state,
        "records": merge_by_id(state.get("records"), records),
        "ledger": merge_by_id(state.get("ledger"), calls),
    }


def _as_update(gathered: Gathered) -> dict[str, Any]:
    records, calls = gathered
    return {"records": records, "ledger": calls} if records else {}
