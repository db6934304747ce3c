"""The one path that every model call takes: from a request to its record.

    ask         one answer: a record, live or failed, and the calls that it took
    hedge       a second call for an answer that is late
    attempts    fallbacks, retries and mended prompts
    exchange    one request: grant, store, gate, ledger
    model_call  the model's client

A model's failure comes out as an exception only where nothing can stand in for its answer; otherwise only cancellation
and LangGraph's own control flow pass through.
"""

from __future__ import annotations

import asyncio
import time

from moa_graph.calls.answering import Answering
from moa_graph.calls.attempts import first_live_reply
from moa_graph.calls.budget import NOTHING, Balance
from moa_graph.calls.events import RecordFinished
from moa_graph.calls.hedge import first_of_both
from moa_graph.calls.ledger import Ledger, total
from moa_graph.calls.node_context import NodeContext
from moa_graph.calls.reply import ModelReply
from moa_graph.calls.request import AnswerRequest
from moa_graph.calls.tracing import describe_node
from moa_graph.state import Call, Record, ill_formed
from moa_graph.views import cut_middle

__all__ = ["NodeContext", "ask"]

TOLD_OF_RECORDS = frozenset(RecordFinished.__annotations__) - {"type", "mixture"}

LONGEST_ANSWER = 1_000_000
"""Characters that are kept of an answer: more than any model's output window holds."""


async def ask(request: AnswerRequest, node: NodeContext) -> tuple[Record, list[Call]]:
    """Asks for one answer, fallbacks and hedge included: a record, live or failed, and the calls that it took.

    Args:
        request: What is asked.
        node: What the calls of its node share.

    Raises:
        StoreMiss: Replaying, and the call was never recorded.
        Exception: The provider's own, where nothing can stand in for the answer.
    """
    started, clock = time.time(), asyncio.get_running_loop().time()
    ledger = Ledger(request, node.mixture, node.write)
    balance = Balance(None if node.grants is None else node.grants.get(request.record, NOTHING))
    if request.hedge is None:
        reply = await first_live_reply(Answering.of(request, node, ledger, balance))
    else:
        reply = await first_of_both(request, request.hedge, node, ledger, balance)
    calls = ledger.in_order()
    record = _record(request, reply, calls)
    record["started"], record["seconds"] = started, asyncio.get_running_loop().time() - clock
    describe_node(node.config, node.mixture, record, calls)
    told = {key: value for key, value in record.items() if key in TOLD_OF_RECORDS}
    node.write({"type": "record_finished", "mixture": node.mixture, **told})
    if reply.failure is not None and request.must_answer and ill_formed([record]) is None:
        raise reply.failure.as_error()
    return record, calls


def _record(request: AnswerRequest, reply: ModelReply, calls: list[Call]) -> Record:
    usage, cost = total(calls)
    record: Record = {
        "id": request.record,
        "kind": request.kind,
        "stage": request.stage,
        "slot": request.slot,
        "sample": request.sample,
        "order": list(request.order),
        "model": reply.member.reference,
        "status": "failed" if reply.failure else "live",
        "text": cut_middle(reply.text, LONGEST_ANSWER),
        "failure": reply.failure.record() if reply.failure else None,
        "notes": list(reply.notes),
        "usage": usage,
        "cost": cost,
        "started": 0.0,
        "seconds": 0.0,
    }
    if len(reply.text) > request.cap:
        record["cap"] = request.cap
    if len(reply.text) > LONGEST_ANSWER:
        record["notes"].append(f"the answer is longer than {LONGEST_ANSWER:,} characters; its middle was cut out")
        record["truncated"] = True
    if request.about is not None:
        record["about"] = request.about
    if reply.data is not None:
        record["data"] = reply.data
    if reply.tool_calls:
        record["tool_calls"] = list(reply.tool_calls)
    if reply.truncated:
        record["truncated"] = True
    if reply.reasoning:
        record["reasoning"] = cut_middle(reply.reasoning, LONGEST_ANSWER)
    if reply.given:
        record["given"] = dict(reply.given)
    if reply.message_id is not None:
        record["message_id"] = reply.message_id
    return record
