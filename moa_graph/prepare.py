"""The first node of a graph: what must hold before any money is spent, and a clean slate for the turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, RemoveMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import get_runtime
from langgraph.types import Overwrite

from moa_graph.errors import InputError, MissingKey
from moa_graph.stages.plan import Plan
from moa_graph.state import MoaState, Record, Turn, live

__all__ = ["Prepare"]


class Prepare:
    """Opens a turn.

    A turn that ended without an answer leaves its question in the thread. Asked anew, the same question goes on with
    the proposals that are there, and only the failed slots are asked again; another question takes its place, so that
    no half turn is left in the conversation.

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
        dangling, messages = _without_half_turn(state["messages"], before)
        _check(messages)
        self._check_models(options.aggregator)
        kept = _kept_records(state, dangling, messages)
        turn: Turn = {
            "status": "running",
            "opened_with": _ids(_since_last_answer(messages)),
            "active": 0.0,
            "end": None,
            "degraded": [],
            "simulated": self._plan.simulated,
        }
        kept_ids = {record["id"] for record in kept}
        ledger = [call for call in state.get("ledger") or [] if call["record"] in kept_ids]
        opened: MoaState = {**state, "messages": messages, "records": kept, "ledger": ledger, "turn": turn}
        turn = {**turn, **self._plan.open(0, opened, options)}
        runtime.stream_writer(
            {
                "type": "run_started",
                "mixture": self._plan.mixture,
                "simulated": self._plan.simulated,
                "stages": {placed.site.name: [seat.name for seat in placed.site.seats] for placed in self._plan.stages},
            }
        )
        update = {"records": Overwrite(kept), "ledger": Overwrite(ledger), "turn": Overwrite(turn)}
        removed = [RemoveMessage(id=message.id) for message in dangling if message.id is not None]
        return {**update, "messages": removed} if removed else update

    def _check_models(self, aggregator: str | None) -> None:
        members = {
            member.name: member for placed in self._plan.stages for seat in placed.site.seats for member in seat.members
        }
        if aggregator is not None:
            members[aggregator] = self._plan.members[aggregator]
        missing: dict[str, list[str]] = {}
        for name, member in members.items():
            if (variable := member.missing_key()) is not None:
                missing.setdefault(variable, []).append(name)
        if missing:
            listed = "; ".join(f"{variable} for {', '.join(names)}" for variable, names in missing.items())
            raise MissingKey(
                f"{self._plan.mixture}: keys are missing from the environment: {listed}. Set them, or try it without "
                "keys on simulated models: --simulate, MOA_SIMULATE=1 or create_moa(..., simulate=True)."
            )


def _without_half_turn(messages: Sequence[AnyMessage], before: Turn) -> tuple[list[AnyMessage], list[AnyMessage]]:
    """The messages of a turn that had no answer and is now asked anew, and the conversation without them."""
    asked = set(before.get("opened_with", ())) if before.get("status") == "running" else set()
    dangling = [message for message in messages if message.id in asked]
    rest = [message for message in messages if message.id not in asked]
    if not dangling or not _since_last_answer(rest):
        return [], list(messages)
    return dangling, rest


def _since_last_answer(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """What this turn is to answer: everything after the last answer that the conversation holds."""
    answers = [
        index for index, message in enumerate(messages) if isinstance(message, AIMessage) and not message.tool_calls
    ]
    return list(messages[answers[-1] + 1 :] if answers else messages)


def _kept_records(state: MoaState, dangling: Sequence[AnyMessage], messages: Sequence[AnyMessage]) -> list[Record]:
    """The live records of the turn before, if it had no answer and the same is asked again."""
    before: Turn = state.get("turn") or {}
    if before.get("status") != "running":
        return []
    now = _since_last_answer(messages)
    same = _said(dangling) == _said(now) if dangling else _ids(now) == before.get("opened_with")
    return live(state.get("records") or []) if same else []


def _said(messages: Sequence[AnyMessage]) -> list[tuple[str, Any]]:
    return [(message.type, message.content) for message in messages]


def _ids(messages: Sequence[AnyMessage]) -> list[str]:
    return [message.id for message in messages if message.id is not None]


def _check(messages: Sequence[AnyMessage]) -> None:
    """Raises InputError where there is nothing to answer."""
    if not messages:
        raise InputError('the conversation is empty: give {"messages": [{"role": "user", "content": "..."}]}')
    last = messages[-1]
    if isinstance(last, AIMessage):
        raise InputError("the conversation ends with an answer: add the user's next message")
    if not isinstance(last, ToolMessage) and not _has_content(last):
        raise InputError("the last message is empty: ask something")


def _has_content(message: AnyMessage) -> bool:
    if isinstance(message.content, str):
        return bool(message.content.strip())
    return any(
        not isinstance(block, Mapping) or block.get("type") != "text" or block.get("text") for block in message.content
    )
