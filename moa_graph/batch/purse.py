"""What a whole batch may spend: a limit that holds even if processes are killed.

A row starts only if the most that it may need fits into what is left, and its run gets that as its own budget.
Every request is noted in the journal before it is sent, with the most that it may cost, and again with what it did
cost: a request left open by a kill counts as the most.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from langchain_core.messages import AIMessage

from moa_graph.batch.journal import Journal
from moa_graph.calls.budget import most_of_one_call
from moa_graph.calls.failures import usage_of
from moa_graph.description import Price
from moa_graph.store import CallIdentity, Entry, Store
from moa_graph.views import MESSAGE_BYTES

__all__ = ["CountedStore", "Need", "Purse", "running_row"]

T = TypeVar("T")

running_row: ContextVar[str] = ContextVar("moa_batch_row")
"""The row for which the calls of the present context are made."""


@dataclass(frozen=True)
class Need:
    """The most that one row may take: model requests and US dollars."""

    calls: int
    usd: float


class Purse:
    """Enforces the batch's limits.

    Args:
        journal: Where spending is noted.
        usd: Budget in US dollars; None is no limit.
        calls: Most model requests; None is no limit.
    """

    def __init__(self, journal: Journal, usd: float | None, calls: int | None) -> None:
        self._journal = journal
        self.usd = usd
        self.calls = calls
        self._closed_calls, self._closed_usd = journal.spending.total()
        self._needs: dict[str, Need] = {}
        self._open: dict[str, tuple[int, float]] = {}

    def read_again(self) -> None:
        """Reads again what jobs have spent; no row may be in flight."""
        self._closed_calls, self._closed_usd = self._journal.spending.total()

    @property
    def is_limited(self) -> bool:
        """Whether there is any limit."""
        return self.usd is not None or self.calls is not None

    @property
    def spent(self) -> tuple[int, float]:
        """Requests and US dollars so far."""
        open_calls = sum(calls for calls, _ in self._open.values())
        return self._closed_calls + open_calls, self._closed_usd + sum(usd for _, usd in self._open.values())

    def admits(self, need: Need) -> bool:
        """Whether one more row fits, beside those that are in flight."""
        calls = self._closed_calls + need.calls + sum(other.calls for other in self._needs.values())
        usd = self._closed_usd + need.usd + sum(other.usd for other in self._needs.values())
        return (self.calls is None or calls <= self.calls) and (self.usd is None or usd <= self.usd)

    def why_not(self, need: Need) -> str:
        """The message where the next row doesn't fit."""
        calls, usd = self.spent
        if self.calls is not None and calls + need.calls > self.calls:
            return f"{calls} of {self.calls} calls are used, and the next row may need up to {need.calls}"
        return f"${usd:.4f} of ${self.usd:g} is spent, and the next row may cost up to ${need.usd:.4f}"

    def begin(self, row: str, need: Need) -> None:
        """Reserves what a row may need."""
        self._needs[row] = need
        self._open[row] = (0, 0.0)

    def end(self, row: str) -> None:
        """Releases what the row didn't need."""
        self._needs.pop(row, None)
        calls, usd = self._open.pop(row, (0, 0.0))
        self._closed_calls += calls
        self._closed_usd += usd

    def intend(self, most: Need) -> int:
        """Records that requests of the running row are about to be sent; returns the record's number."""
        number = self._journal.spending.intend(running_row.get(), most.calls, most.usd)
        self._add(most.calls, most.usd)
        return number

    def settle(self, number: int, most: Need, used: Need) -> None:
        """Records how many requests were made, and their cost."""
        self._journal.spending.settle(number, used.calls, used.usd)
        self._add(used.calls - most.calls, used.usd - most.usd)

    def _add(self, calls: int, usd: float) -> None:
        row = running_row.get()
        if row in self._open:
            before_calls, before_usd = self._open[row]
            self._open[row] = (before_calls + calls, before_usd + usd)
        else:  # another row's call that this one had shared goes on after its end
            self._closed_calls += calls
            self._closed_usd += usd


class CountedStore(Store):
    """A store that notes requests in a purse before they are sent.

    Args:
        store: Whose entries and mode it has.
        purse: Where they are noted.
        prices: Model reference to its price.
    """

    def __init__(self, store: Store, purse: Purse, prices: Mapping[str, Price | None]) -> None:
        super().__init__(store.backend, store.mode, ttl=store.ttl, missing=store.missing)
        self._purse = purse
        self._prices = prices

    async def once(
        self,
        identity: CallIdentity,
        call: Callable[[], Awaitable[tuple[T, Entry | None]]],
        restore: Callable[[Entry], T],
    ) -> tuple[T, bool]:
        """As :meth:`Store.once`."""
        price = self._prices.get(identity.model)

        async def counted() -> tuple[T, Entry | None]:
            most = Need(1, _most_of(identity, price))
            number = self._purse.intend(most)
            try:
                reply, entry = await call()
            except Exception as error:
                if getattr(error, "status_code", None) is not None:  # refused before it was worked on
                    self._purse.settle(number, most, Need(1, 0.0))
                raise
            cost = _cost_of(reply, price)
            self._purse.settle(number, most, most if cost is None else Need(1, cost))
            return reply, entry

        return await super().once(identity, counted, restore)


def _most_of(identity: CallIdentity, price: Price | None) -> float:
    """The most that a call may cost, in US dollars: a token is at least one byte."""
    prompt = json.dumps([identity.messages, identity.tools, identity.response_format], default=str)
    length = len(prompt.encode()) + MESSAGE_BYTES * len(identity.messages)
    most = most_of_one_call(length, identity.parameters.get("max_tokens"), price)
    return most["usd"] or 0.0


def _cost_of(reply: object, price: Price | None) -> float | None:
    """What a reply cost by its own count of tokens; None where it has none."""
    usage = usage_of(reply) if isinstance(reply, AIMessage) else None
    if usage is None:
        return None
    if price is None:
        return 0.0
    return (usage["input"] * price.input + usage["output"] * price.output) / 1e6
