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
from moa_graph.calls.events import Writer
from moa_graph.calls.failures import Diagnosis
from moa_graph.calls.request import AnswerRequest
from moa_graph.models import prices
from moa_graph.models.catalogue import Member
from moa_graph.state import Call, FailureKind, Grant, Usage
from moa_graph.usage import sum_of
from moa_graph.views import CHARACTERS_PER_TOKEN, Prompt

__all__ = ["Ledger", "OpenCall", "stated_cost", "total"]

NO_USAGE: Usage = {"input": 0, "output": 0, "cached": 0}

_PROVIDER_MAY_BILL: frozenset[FailureKind] = frozenset({"timeout", "cut"})
"""Failures that leave a model at work: what it read, and perhaps wrote, may be billed."""

_TOLD_OF_CALLS: tuple[Literal["status", "failure", "hit", "usage", "cost", "estimated", "seconds"], ...] = (
    "status",
    "failure",
    "hit",
    "usage",
    "cost",
    "estimated",
    "seconds",
)

_USAGE_UNKNOWN: frozenset[FailureKind] = frozenset({"timeout", "cut", "connection"})


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


class Ledger:
    """The requests made for one answer. Several may be in flight at once.

    Args:
        request: What is asked for.
        mixture: Name of the mixture, for the events.
        write: Where the events go.
    """

    def __init__(self, request: AnswerRequest, mixture: str, write: Writer) -> None:
        self._request = request
        self._mixture = mixture
        self._write = write
        self._numbers = itertools.count(request.asked_before + 1)
        self._calls: list[Call] = []

    def in_order(self) -> list[Call]:
        """The requests that have ended, in the order in which they went out."""
        return sorted(self._calls, key=itemgetter("attempt"))

    def open(self, member: Member, need: Grant, prompt: Prompt, equal: str = "") -> OpenCall:
        """Notes that a request goes out."""
        loop = asyncio.get_running_loop()
        call = OpenCall(next(self._numbers), member, need, prompt, time.time(), loop.time(), equal)
        self._tell("call_started", call)
        return call

    def close(
        self,
        call: OpenCall,
        usage: Usage | None,
        failure: Diagnosis | None,
        *,
        hit: bool = False,
        partial: str = "",
        cost: float | None = None,
    ) -> Call:
        """Notes that a request ended, or was left.

        Args:
            call: The request.
            usage: What the provider counted, if it said.
            failure: Why there is no answer; None if there is one.
            hit: Whether the answer was stored.
            partial: What of it was streamed.
            cost: US dollars, where the answer itself says it; None goes by the model's price.
        """
        estimated = False
        if failure is not None and usage is None:
            billed = failure.begun or bool(partial) or failure.kind in _PROVIDER_MAY_BILL
            estimated = billed or failure.kind in _USAGE_UNKNOWN
            usage = _estimate(call, partial) if billed else NO_USAGE
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
    cost = (message.response_metadata.get("report") or {}).get("cost")
    return cost if isinstance(cost, float) else None


def total(calls: Sequence[Call]) -> tuple[Usage | None, float | None]:
    """Usage and cost of all calls together; None where a part of it is unknown."""
    usages = [call["usage"] for call in calls]
    costs = [call["cost"] for call in calls]
    known = [usage for usage in usages if usage is not None]
    usage = sum_of(known) if len(known) == len(usages) else None
    return usage, None if None in costs else sum((one for one in costs if one is not None), 0.0)


def _estimate(call: OpenCall, partial: str) -> Usage:
    """What a call that was left in the middle has used, by the usual number of characters a token."""
    read = sum(len(message.text) for message in call.prompt.messages())
    return {
        "input": math.ceil(read / CHARACTERS_PER_TOKEN),
        "output": math.ceil(len(partial) / CHARACTERS_PER_TOKEN),
        "cached": 0,
    }


def _charge(call: OpenCall, usage: Usage | None, price: float | None, *, hit: bool, known: bool) -> Grant:
    """What the call counts for: all that was set aside for it where what it used isn't known."""
    if hit:
        return {"calls": 0, "tokens": 0, "usd": 0.0}
    if usage is None or not known:
        return plus(call.need, {"calls": 0, "tokens": 0, "usd": 0.0})
    return {"calls": 1, "tokens": usage["input"] + usage["output"], "usd": price or 0.0}
