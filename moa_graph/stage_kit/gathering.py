"""Several answers asked for at the same time, and what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from moa_graph.calls.call import NodeContext, ask
from moa_graph.calls.request import AnswerRequest
from moa_graph.calls.samples import Together, can_be_together
from moa_graph.side_by_side import side_by_side
from moa_graph.state import Call, MoaState, Record, merge_by_id

__all__ = ["Gathered", "gather_answers", "together", "with_gathered"]

Gathered = tuple[list[Record], list[Call]]
"""Records, and the calls that they took."""


async def gather_answers(requests: Sequence[AnswerRequest], node: NodeContext) -> Gathered:
    """All at the same time; samples of one prompt in one request where that can be."""
    stored = node.store is not None and node.store.mode != "off"
    if not can_be_together(requests, limited=node.grants is not None, stored=stored):
        return together(await side_by_side([_counted(request, node) for request in requests]))
    shared = Together(requests[0].members[0], len(requests))
    first = await _counted(replace(requests[0], together=shared), node)
    others = await side_by_side([_counted(request, node) for request in shared.hand_out(requests[1:])])
    return together([first, *others])


async def _counted(request: AnswerRequest, node: NodeContext) -> Gathered:
    """One answer, of which the round is told."""
    record, calls = await ask(request, node)
    if record["status"] == "live":
        node.round.count_live()
        node.round.count_beginning(record["id"])
    else:
        node.round.count_failed()
    return [record], calls


def together(gathered: Sequence[Gathered]) -> Gathered:
    """The records and the calls of all."""
    return [record for records, _ in gathered for record in records], [call for _, calls in gathered for call in calls]


def with_gathered(state: MoaState, gathered: Gathered) -> MoaState:
    """The state as it will be once ``gathered`` is written."""
    records, calls = gathered
    return {
        **state,
        "records": merge_by_id(state.get("records"), records),
        "ledger": merge_by_id(state.get("ledger"), calls),
    }
