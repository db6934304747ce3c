"""A question that is asked again after a turn without an answer: what it replaces, and what is not paid for twice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from moa_graph.stage_kit.resume import Leftover, left_behind
from moa_graph.state import Call, MoaState, Record, Turn, live, merge_by_id

__all__ = ["AskedAgain", "asked_again", "ids", "since_last_answer"]


@dataclass(frozen=True)
class AskedAgain:
    """How a turn opens.

    Args:
        repeated: Messages that had no answer and are asked again now: their new copies take their place.
        messages: The conversation without them.
        records: Live records of the unanswered turn, where it is the same question.
        ledger: Calls of that turn.
    """

    repeated: list[AnyMessage]
    messages: list[AnyMessage]
    records: list[Record]
    ledger: list[Call]


async def asked_again(state: MoaState, config: RunnableConfig, runtime: Runtime[Any]) -> AskedAgain:
    """Compares what is asked with what was left without an answer.

    Args:
        state: The graph's state, with this run's input.
        config: The node's own.
        runtime: The node's own.
    """
    before: Turn = state.get("turn") or {}
    unanswered = since_last_answer(state["messages"])
    stopped = before.get("status") == "running"
    left = await left_behind(config, runtime, before) if stopped or _repeats(unanswered) else None
    there = _there_before(before, left)
    new = [message for message in unanswered if message.id not in there]
    repeated = _copies(new, [message for message in unanswered if message.id in there])
    replaced = {message.id for message in repeated}
    messages = [message for message in state["messages"] if message.id not in replaced]
    if not stopped or not _is_same(before, state["messages"], since_last_answer(messages)):
        return AskedAgain(repeated, messages, [], [])
    records, ledger = state.get("records") or [], state.get("ledger") or []
    if left is not None:
        records, ledger = merge_by_id(left.records, records), merge_by_id(left.ledger, ledger)
    return AskedAgain(repeated, messages, _still_good(records), ledger)


def since_last_answer(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """What a turn is to answer: everything after the last answer that the conversation holds."""
    answers = [
        index for index, message in enumerate(messages) if isinstance(message, AIMessage) and not message.tool_calls
    ]
    return list(messages[answers[-1] + 1 :] if answers else messages)


def ids(messages: Sequence[AnyMessage]) -> list[str]:
    """The messages' identities."""
    return [message.id for message in messages if message.id is not None]


def _repeats(messages: Sequence[AnyMessage]) -> bool:
    """Whether the last message was said before, as it was where a run was killed before it opened its turn."""
    return bool(messages) and _said(messages[-1:])[0] in _said(messages[:-1])


def _there_before(before: Turn, left: Leftover | None) -> frozenset[str]:
    """The messages that weren't given to this run. Without a checkpointer, the state alone tells."""
    if left is not None:
        return left.message_ids
    return frozenset(before.get("opened_with", ()) if before.get("status") == "running" else ())


def _copies(new: Sequence[AnyMessage], old: Sequence[AnyMessage]) -> list[AnyMessage]:
    """The last of the old messages that say what the new ones do, however often they do."""
    length, start = len(new), len(old)
    while length and start >= length and _said(old[start - length : start]) == _said(new):
        start -= length
    return list(old[start:])


def _is_same(before: Turn, there: Sequence[AnyMessage], asked: Sequence[AnyMessage]) -> bool:
    """Whether the turn before was opened with what is asked now."""
    opened_with = before.get("opened_with", [])
    if ids(asked) == opened_with:
        return True
    by_id = {message.id: message for message in there}
    opened = [by_id[one] for one in opened_with if one in by_id]
    return len(opened) == len(opened_with) and bool(opened) and _said(opened) == _said(asked)


def _still_good(records: Sequence[Record]) -> list[Record]:
    """The live records, without syntheses that would miss what is now asked again before them."""
    retried = min((one["order"][0] for one in records if _is_retried(one)), default=math.inf)
    return [one for one in live(records) if one["kind"] != "synthesis" or one["order"][0] <= retried]


def _is_retried(record: Record) -> bool:
    """Whether it failed, rather than that nobody waited for it any more."""
    return record["failure"] is not None and record["failure"]["kind"] != "cut"


def _said(messages: Sequence[AnyMessage]) -> list[tuple[str, Any]]:
    return [(message.type, message.content) for message in messages]
