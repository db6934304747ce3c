"""The calls that one answer took: what each used, what it cost and what it counts for in the budget."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Literal

from langchain_core.messages import AIMessage

from moa_graph.calls.budget import plus
from moa_graph.calls.events import StreamWriter
from moa_graph.calls.failures import Diagnosis
from moa_graph.calls.media import holds_media
from moa_graph.calls.request import AnswerRequest
from moa_graph.models import prices
from moa_graph.models.catalogue import Member
from moa_graph.state import Call, FailureKind, Grant, Usage
from moa_graph.usage import sum_of
from moa_graph.views import CHARACTERS_PER_TOKEN, Prompt

__all__ = ["Ledger", "OpenCall", "stated_cost", "total"]

NO_USAGE: Usage = {"input": 0, "output": 0, "cached": 0}

_LEFT_AT_WORK: frozenset[FailureKind] = frozenset({"timeout", "cut", "connection"})
"""Failures that leave a model in the middle of its answer: what it read, and has written so far, may be billed."""

MOST_TOKENS = 2_000_000
"""More than any model reads or writes at once."""

TEMPLATE_TOKENS = 2_000
"""What a provider may put around a prompt or an answer, and count: templates, descriptions of tools, instructions."""

_TOLD_OF_CALLS: tuple[Literal["status", "failure", "hit", "usage", "cost", "estimated", "seconds"], ...] = (
    "status",
    "failure",
    "hit",
    "usage",
    "cost",
    "estimated",
    "seconds",
)


@dataclass(frozen=True)
class OpenCall:
    """A request that is in flight."""

    attempt: int
    member: Member
    need: Grant
    prompt: Prompt
    started: float
    clock: float
    equal: str = ""
    """Which one it is among the turn's equal calls."""
    answers: int = 1
    """How many answers it asks for."""


class Ledger:
    """The requests made for one answer. Several may be in flight at once.

    Args:
        request: What is asked for.
        mixture: Name of the mixture, for the events.
        write: Where the events go.
    """

    def __init__(self, request: AnswerRequest, mixture: str, write: StreamWriter) -> None:
        self._request = request
        self._mixture = mixture
        self._write = write
        self._numbers = itertools.count(request.asked_before + 1)
        self._calls: list[Call] = []

    def in_order(self) -> list[Call]:
        """The requests that have ended, in the order in which they went out."""
        return sorted(self._calls, key=itemgetter("attempt"))

    def open(self, member: Member, need: Grant, prompt: Prompt, equal: str = "", answers: int = 1) -> OpenCall:
        """Notes that a request goes out."""
        loop = asyncio.get_running_loop()
        call = OpenCall(next(self._numbers), member, need, prompt, time.time(), loop.time(), equal, answers)
        self._tell("call_started", call)
        return call

    def close(
        self,
        call: OpenCall,
        usage: Usage | None,
        failure: Diagnosis | None,
        *,
        hit: bool = False,
        written: int = 0,
        cost: float | None = None,
    ) -> Call:
        """Notes that a request ended, or was left.

        Args:
            call: The request.
            usage: What the provider counted, if it said.
            failure: Why there is no answer; None if there is one.
            hit: Whether the answer was stored.
            written: Characters of an answer that have come, reasoning included.
            cost: US dollars, where the answer itself says it; None goes by the model's price.
        """
        usage, estimated = _used(call, usage, failure, written, hit=hit)
        price = 0.0 if hit or usage == NO_USAGE else prices.cost(call.member.price, usage)
        if cost is not None and not hit:
            price = cost
        entry: Call = {
            "id": f"{self._request.record}@{call.attempt}",
            "record": self._request.record,
            "stage": self._request.stage,
            "slot": self._request.slot,
            "sample": self._request.sample,
            "attempt": call.attempt,
            "order": [*self._request.order, call.attempt],
            "model": call.member.reference,
            "provider": call.member.provider,
            "status": "live" if failure is None else "failed",
            "failure": failure.record() if failure is not None else None,
            "hit": hit,
            "usage": usage,
            "cost": price,
            "estimated": estimated,
            "charged": _charge(call, usage, price, hit=hit, known=not estimated),
            "started": call.started,
            "seconds": asyncio.get_running_loop().time() - call.clock,
        }
        if call.equal:
            entry["equal"] = call.equal
        self._calls.append(entry)
        self._tell("call_finished", call, **{name: entry[name] for name in _TOLD_OF_CALLS})
        return entry

    def _tell(self, event: str, call: OpenCall, **facts: object) -> None:
        about = {
            "stage": self._request.stage,
            "slot": self._request.slot,
            "sample": self._request.sample,
            "attempt": call.attempt,
            "model": call.member.reference,
        }
        self._write({"type": event, "mixture": self._mixture, **about, **facts})


def stated_cost(member: Member, message: AIMessage | None) -> float | None:
    """What an answer says that it cost: that of a mixture which is a model of this one does."""
    if message is None or member.written is not None:
        return None
    report = message.response_metadata.get("report")
    cost = report.get("cost") if isinstance(report, dict) else None
    return cost if isinstance(cost, float) and 0 <= cost < math.inf else None


def total(calls: Sequence[Call]) -> tuple[Usage | None, float | None]:
    """Usage and cost of all calls together; None where a part of it is unknown."""
    usages = [call["usage"] for call in calls]
    costs = [call["cost"] for call in calls]
    known = [usage for usage in usages if usage is not None]
    usage = sum_of(known) if len(known) == len(usages) else None
    return usage, None if None in costs else sum((one for one in costs if one is not None), 0.0)


def _used(
    call: OpenCall, usage: Usage | None, failure: Diagnosis | None, written: int, *, hit: bool
) -> tuple[Usage | None, bool]:
    """What a call has used, and whether that is estimated: what isn't told is, and never taken for nothing."""
    if hit:
        return usage, False
    if usage is not None:
        return _within_reason(call, usage)
    if failure is not None and failure.unbilled and not written:
        return NO_USAGE, False
    begun = written > 0 or failure is None or failure.begun
    if failure is not None and failure.kind == "connection" and not begun:
        return NO_USAGE, True  # it may never have reached the model
    output = math.ceil(written / CHARACTERS_PER_TOKEN)
    broken_off = written > 0 and failure is not None and failure.kind in ("server", "connection")
    if failure is not None and failure.kind not in _LEFT_AT_WORK and not broken_off:
        output = max(output, call.member.most_output or 0)  # it came to an end, and nobody knows at which length
    read = sum(len(message.text) for message in call.prompt.messages())
    return {"input": math.ceil(read / CHARACTERS_PER_TOKEN), "output": output, "cached": 0}, True


def _within_reason(call: OpenCall, usage: Usage) -> tuple[Usage, bool]:
    """What a provider tells, held within what the request could have used at most."""
    most_read = MOST_TOKENS if holds_media(call.prompt.messages()) else call.prompt.bytes + TEMPLATE_TOKENS
    most_written = MOST_TOKENS
    if call.member.most_output is not None:
        most_written = (call.member.most_output + TEMPLATE_TOKENS) * call.answers
    possible: Usage = {
        **usage,
        "input": min(usage["input"], most_read),
        "output": min(usage["output"], most_written),
        "cached": min(usage["cached"], most_read),
    }
    return possible, possible != usage


def _charge(call: OpenCall, usage: Usage | None, price: float | None, *, hit: bool, known: bool) -> Grant:
    """What the call counts for: all that was set aside for it where what it used isn't known."""
    if hit:
        return {"calls": 0, "tokens": 0, "usd": 0.0}
    if usage is None or not known:
        return plus(call.need, {"calls": 0, "tokens": 0, "usd": 0.0})
    return {"calls": 1, "tokens": usage["input"] + usage["output"], "usd": price or 0.0}
