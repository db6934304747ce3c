"""Several answers asked for at the same time, and what came of them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any

from moa_graph.calls.call import NodeContext, ask
from moa_graph.calls.request import AnswerRequest
from moa_graph.calls.samples import Together, can_be_together
from moa_graph.state import Call, MoaState, Record, merge_by_id

__all__ = ["Gathered", "gather_answers", "side_by_side", "with_gathered"]

Gathered = tuple[list[Record], list[Call]]
"""Records, and the calls that they took."""


async def gather_answers(requests: Sequence[AnswerRequest], node: NodeContext) -> Gathered:
    """All at the same time; samples of one prompt in one request where that can be."""
    stored = node.store is not None and node.store.mode != "off"
    if not can_be_together(requests, limited=node.grants is not None, stored=stored):
        return await side_by_side([_counted(request, node) for request in requests])
    together = Together(requests[0].members[0], len(requests))
    first = await _counted(replace(requests[0], together=together), node)
    others = await side_by_side([_counted(request, node) for request in together.hand_out(requests[1:])])
    return first[0] + others[0], first[1] + others[1]


async def _counted(request: AnswerRequest, node: NodeContext) -> Gathered:
    """One answer, of which the round is told."""
    record, calls = await ask(request, node)
    if record["status"] == "live":
        node.round.count_live()
        node.round.count_beginning(record["id"])
    else:
        node.round.count_failed()
    return [record], calls


async def side_by_side(asking: Sequence[Coroutine[Any, Any, Gathered]]) -> Gathered:
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
