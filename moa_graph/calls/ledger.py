"""The calls that one answer took: what each used, what it cost and what it counts for in the budget."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from langchain_core.messages import AIMessage

from moa_graph.calls.budget import plus
from moa_graph.calls.events import Writer
from moa_graph.calls.request import Request
from moa_graph.models.catalogue import Member
from moa_graph.models.prices import cost
from moa_graph.state import Call, Failure, FailureKind, Grant, Usage
from moa_graph.views import CHARACTERS_PER_TOKEN, Prompt

__all__ = ["Ledger", "OpenCall", "stated_cost"]

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


@dataclass
class OpenCall:
    """A request that is in flight."""

    attempt: int
    member: Member
    need: Grant
    prompt: Prompt
    started: float
    clock: float
    begun: bool = False
    partial: str = ""
    """What has been streamed so far."""
    equal: str = ""
    """Which one it is among the turn's equal calls."""


@dataclass
class Ledger:
    """The requests made for one answer, in their order.

    Args:
        request: What is asked for.
        mixture: Name of the mixture, for the events.
        write: Where the events go.
        numbers: Of its requests, counted over the whole turn.
    """

    request: Request
    mixture: str
    write: Writer
    numbers: Iterator[int]
    calls: list[Call] = field(default_factory=list)
    _open: OpenCall | None = None

    @property
    def is_open(self) -> bool:
        """Whether a request is in flight."""
        return self._open is not None

    @property
    def attempt(self) -> int:
        """Number of the request that is in flight, counted over the whole turn."""
        assert self._open is not None, "no request is in flight"
        return self._open.attempt

    def open(self, member: Member, need: Grant, prompt: Prompt, equal: str = "") -> OpenCall:
        """Notes that a request goes out."""
        loop = asyncio.get_running_loop()
        self._open = OpenCall(next(self.numbers), member, need, prompt, time.time(), loop.time(), equal=equal)
        self._tell("call_started", self._open)
        return self._open

    def end(
        self,
        usage: Usage | None,
        failure: Failure | None,
        *,
        hit: bool = False,
        begun: bool = False,
        partial: str = "",
        cost: float | None = None,
    ) -> Call:
        """Notes that the open request ended.

        Args:
            usage: What the provider counted, if it said.
            failure: Why there is no answer; None if there is one.
            hit: Whether the answer was stored.
            begun: Whether a part of an answer had come before the failure.
            partial: What of it was streamed.
            cost: US dollars, where the answer itself says it; None goes by the model's price.
        """
        assert self._open is not None, "only an open request can end"
        self._open.begun = begun or bool(partial)
        self._open.partial = partial
        return self._close(failure, usage, hit=hit, stated=cost)

    def abandon(self, failure: Failure, partial: str) -> None:
        """Notes that the request which is in flight, if one is, was left after ``partial`` had been streamed."""
        if self._open is not None:
            self._open.begun = bool(partial)
            self._open.partial = partial
            self._close(failure, None)

    def _close(
        self, failure: Failure | None, usage: Usage | None, *, hit: bool = False, stated: float | None = None
    ) -> Call:
        current = self._open
        assert current is not None, "only an open request can end"
        self._open = None
        estimated = False
        if failure is not None and usage is None:
            billed = current.begun or failure["kind"] in _PROVIDER_MAY_BILL
            estimated = billed or failure["kind"] in _USAGE_UNKNOWN
            usage = _estimate(current) if billed else NO_USAGE
        price = 0.0 if hit or usage == NO_USAGE else cost(current.member.price, usage)
        if stated is not None and not hit:
            price = stated
        call: Call = {
            "id": f"{self.request.record}@{current.attempt}",
            "record": self.request.record,
            "stage": self.request.stage,
            "slot": self.request.slot,
            "sample": self.request.sample,
            "attempt": current.attempt,
            "order": [*self.request.order, current.attempt],
            "model": current.member.reference,
            "provider": current.member.provider,
            "status": "live" if failure is None else "failed",
            "failure": failure,
            "hit": hit,
            "usage": usage,
            "cost": price,
            "estimated": estimated,
            "charged": _charge(current, usage, price, hit=hit, known=not estimated),
            "started": current.started,
            "seconds": asyncio.get_running_loop().time() - current.clock,
        }
        if current.equal:
            call["equal"] = current.equal
        self.calls.append(call)
        self._tell("call_finished", current, **{name: call[name] for name in _TOLD_OF_CALLS})
        return call

    def _tell(self, event: str, call: OpenCall, **facts: object) -> None:
        about = {
            "stage": self.request.stage,
            "slot": self.request.slot,
            "sample": self.request.sample,
            "attempt": call.attempt,
            "model": call.member.reference,
        }
        self.write({"type": event, "mixture": self.mixture, **about, **facts})


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
    usage: Usage | None = None
    if len(known) == len(usages):
        usage = {
            "input": sum(one["input"] for one in known),
            "output": sum(one["output"] for one in known),
            "cached": sum(one["cached"] for one in known),
        }
    return usage, None if None in costs else sum((one for one in costs if one is not None), 0.0)


def _estimate(call: OpenCall) -> Usage:
    """What a call that was left in the middle has used, by the usual number of characters a token."""
    read = sum(len(message.text) for message in call.prompt.messages())
    return {
        "input": math.ceil(read / CHARACTERS_PER_TOKEN),
        "output": math.ceil(len(call.partial) / CHARACTERS_PER_TOKEN),
        "cached": 0,
    }


def _charge(call: OpenCall, usage: Usage | None, price: float | None, *, hit: bool, known: bool) -> Grant:
    """What the call counts for: all that was set aside for it where what it used isn't known."""
    if hit:
        return {"calls": 0, "tokens": 0, "usd": 0.0}
    if usage is None or not known:
        return plus(call.need, {"calls": 0, "tokens": 0, "usd": 0.0})
    return {"calls": 1, "tokens": usage["input"] + usage["output"], "usd": price or 0.0}
