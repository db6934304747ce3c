"""The first node of a graph: what must hold before any money is spent, and a clean slate for the turn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, RemoveMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import get_runtime
from langgraph.types import Overwrite

from moa_graph.advice import find_advice
from moa_graph.calls.media import holds_media
from moa_graph.description import Budget
from moa_graph.errors import InputError, MissingKey, MixtureError, OptionsError
from moa_graph.models.catalogue import Member
from moa_graph.models.importing import imported
from moa_graph.options import Options
from moa_graph.stage_kit.again import asked_again, ids, since_last_answer
from moa_graph.stage_kit.plan import Plan, chosen, namespace
from moa_graph.stage_kit.single import SingleSlot
from moa_graph.state import MoaState, Record, Turn

__all__ = ["Prepare", "cannot_limit"]


class Prepare:
    """Opens a turn.

    A turn that ended without an answer leaves its question in the thread, for "please try again" to be about. The same
    question asked anew takes its place and goes on with the proposals that are there: only the failed slots are asked.

    Args:
        plan: The stages of the graph.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    async def __call__(self, state: MoaState, config: RunnableConfig) -> dict[str, Any]:
        """Checks the input, and writes what the stages start from."""
        runtime = get_runtime()
        options = self._plan.options_of(runtime)
        before: Turn = state.get("turn") or {}
        again = await asked_again(state, config, runtime)
        repeated, messages = again.repeated, again.messages
        _check(messages, before if "|" not in namespace(runtime) else {}, says_nothing=options.answer.says_nothing)
        members = self._members(options)
        self._check_options(options, members)
        self._check_media(messages, options)
        self._check_needs(members)
        await _made(members)
        simulated = bool(members) and all(member.provider == "sim" for member in members)
        advice = self._advice(messages, options)
        kept = advice or again.records
        turn: Turn = {
            "status": "running",
            "opened_with": ids(since_last_answer(messages)),
            "active": 0.0,
            "end": None,
            "degraded": [],
            "simulated": simulated,
            "advised": bool(advice),
            "must_write": bool(options.answer.tools) or options.answer.response_format is not None,
        }
        kept_ids = {record["id"] for record in kept}
        ledger = [call for call in again.ledger if call["record"] in kept_ids]
        opened: MoaState = {**state, "messages": messages, "records": kept, "ledger": ledger, "turn": turn}
        self._plan.check_budget(opened, options)
        turn = {**turn, **self._plan.open(self._plan.stages[0], opened, options)}
        runtime.stream_writer(
            {
                "type": "run_started",
                "mixture": self._plan.mixture,
                "simulated": simulated,
                "stages": {bound.name: [slot.name for slot in bound.slots] for bound in self._plan.stages},
            }
        )
        update = {
            "records": Overwrite(kept),
            "ledger": Overwrite(ledger),
            "turn": Overwrite(turn),
            "report": Overwrite({}),
        }
        removed = [RemoveMessage(id=message.id) for message in repeated if message.id is not None]
        return {**update, "messages": removed} if removed else update

    def _advice(self, messages: Sequence[AnyMessage], options: Options) -> list[Record]:
        """What the stages before the last gave earlier in this conversation, where the caller goes by that."""
        stages = [bound.name for bound in self._plan.stages if not bound.is_last]
        return find_advice(self._plan.mixture, messages, stages, options.answer.advise)

    def _members(self, options: Options) -> list[Member]:
        """The models that this run may ask, each once."""
        asked = [
            member
            for bound in self._plan.stages
            for slot in (bound.slots if isinstance(bound.stage, SingleSlot) else chosen(bound.slots, options))
            for member in (*self._plan.members_of(slot, bound, options), slot.hedge)
            if member is not None
        ]
        return list({id(member): member for member in asked}.values())

    def _check_options(self, options: Options, members: Sequence[Member]) -> None:
        """Raises OptionsError where what was chosen for this run can't work."""
        if problem := cannot_limit(options.limit(self._plan.budget), members):
            raise OptionsError(f"run-time options: {problem}")
        if options.temperature is not None and not any(path.last.stage.writes for path in self._plan.paths({})):
            last = self._plan.stages[-1]
            raise OptionsError(f"run-time options: temperature: no model writes the answer in {last.name}")
        if options.proposers is None:
            return
        for path in self._plan.paths({}):
            proposing = next((bound for bound in path.stages if bound.stage.proposes), None)
            if proposing is None:
                continue
            most = sum(slot.samples for slot in chosen(proposing.slots, options))
            if most < self._plan.min_live:
                raise OptionsError(
                    f"run-time options: proposers: with {', '.join(options.proposers) or 'none'} of them, "
                    f"{proposing.name} gives {most} proposal(s), and {self._plan.min_live} are needed (min_live)"
                )

    def _check_media(self, messages: Sequence[AnyMessage], options: Options) -> None:
        """Raises InputError where a limit couldn't be held: a picture's tokens aren't bounded by its text."""
        budget = options.limit(self._plan.budget)
        if (budget.tokens is not None or budget.usd is not None) and holds_media(messages):
            raise InputError(
                f"{self._plan.mixture}: messages: what images and files cost isn't known before the call, so a budget "
                "of tokens or usd can't be held with them: limit calls or the deadline instead, or leave them out"
            )

    def _check_needs(self, members: Sequence[Member]) -> None:
        """Raises where a model lacks its key or its package."""
        missing: dict[str, list[str]] = {}
        for member in members:
            if (package := member.missing_package()) is not None:
                raise MixtureError(
                    f"{self._plan.mixture}: {member.name} needs a package that isn't installed: pip install {package}"
                )
            if (variable := member.missing_key()) is not None:
                missing.setdefault(variable, []).append(member.name)
        if missing:
            listed = "; ".join(
                f"{variable} for {', '.join(dict.fromkeys(names))}" for variable, names in missing.items()
            )
            raise MissingKey(
                f"{self._plan.mixture}: keys are missing from the environment: {listed}. Set them, or try it without "
                "keys on simulated models: --simulate, MOA_SIMULATE=1 or create_moa(..., simulate=True)."
            )


async def _made(members: Sequence[Member]) -> None:
    """Makes the models now, so that no call's time goes into importing an SDK."""
    await imported(member.provider for member in members)
    for member in members:
        member.chat_model(streaming=False)


def cannot_limit(budget: Budget | None, members: Iterable[Member]) -> str | None:
    """Why a limit on tokens or dollars can't be held: it needs to know the most that a call to each model can use.

    Args:
        budget: The limits.
        members: The models that may be asked.
    """
    if budget is None or (budget.usd is None and budget.tokens is None):
        return None
    for member in members:
        if member.settings.max_tokens is None:
            limited = "usd" if budget.usd is not None else "tokens"
            return f"{limited} needs max_tokens of {member.name}: set it in models or the slot"
        if budget.usd is not None and member.price is None:
            return (
                f"usd needs the price of {member.name} ({member.reference}), which isn't known: "
                "set price: {input: ..., output: ...} in models, US dollars per million tokens"
            )
    return None


def _check(messages: Sequence[AnyMessage], before: Turn, *, says_nothing: bool) -> None:
    """Raises InputError where there is nothing to answer.

    Agents hand conversations to each other that end with an answer, or hold nothing but instructions: those are
    answered. On a thread whose last message is the graph's own answer, there is nothing new.
    """
    if not messages:
        raise InputError('the conversation is empty: give {"messages": [{"role": "user", "content": "..."}]}')
    last = messages[-1]
    if isinstance(last, AIMessage):
        if last.tool_calls:
            raise InputError("the conversation ends with tool calls: add their results")
        if last.id is not None and last.id == before.get("answer"):
            raise InputError("the conversation ends with its answer: add the user's next message")
    elif not says_nothing and not isinstance(last, ToolMessage) and not _has_content(last):
        raise InputError("the last message is empty: ask something")


def _has_content(message: AnyMessage) -> bool:
    """Whether there is text, or a block of something else."""
    blocks = message.content if isinstance(message.content, list) else []
    return bool(message.text.strip()) or any(
        isinstance(block, Mapping) and block.get("type") != "text" for block in blocks
    )
