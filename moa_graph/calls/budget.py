"""Hard limits of a turn, as grants that are handed out before a stage starts.

``prepare`` and each join hand out the next stage's grants, a part for each answer that the stage will ask for. Retries
and fallbacks spend the grant of their own answer, so no fan-out overshoots, no shared memory is needed, and who is
refused never depends on who came first. What the closing answer needs is set aside before any proposer gets a grant.

A need is what one call could use at the very most. A token stands for at least one byte of text, so the number of bytes
bounds the prompt; ``max_tokens`` bounds the output. What a call didn't use returns to the budget when its stage ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from moa_graph.description import Budget, Price
from moa_graph.state import Call, Grant

__all__ = [
    "NOTHING",
    "ONE_CALL",
    "Balance",
    "PlannedAnswer",
    "affordable_bytes",
    "hand_out",
    "larger",
    "limits_of",
    "minus",
    "most_of_one_call",
    "plus",
    "spent",
]

BYTES_PER_EXPECTED_TOKEN = 4
"""Room for a reference that isn't written yet. One that turns out longer is cut to what the grant pays for."""

NOTHING: Grant = {"calls": 0, "tokens": 0, "usd": 0.0}
ONE_CALL: Grant = {"calls": 1, "tokens": 0, "usd": 0.0}


@dataclass(frozen=True)
class PlannedAnswer:
    """One answer that a stage will ask for.

    Args:
        id: Identity of its record.
        first: Need of its first call.
        again: Need of a further call, to the dearest of its models.
        more: Further calls that its retries and fallbacks could take.
    """

    id: str
    first: Grant
    again: Grant
    more: int


class Balance:
    """What is left of a grant. Without a grant, everything is paid."""

    def __init__(self, grant: Grant | None) -> None:
        self.left = grant

    def reserve(self, need: Grant) -> bool:
        """Sets ``need`` aside; False, and nothing set aside, where it doesn't fit."""
        if self.left is None:
            return True
        if not _fits(need, self.left):
            return False
        self.left = minus(self.left, need)
        return True

    def settle(self, reserved: Grant, used: Grant) -> None:
        """Returns what a call didn't use of what was set aside for it."""
        if self.left is not None:
            self.left = minus(plus(self.left, reserved), used)


def limits_of(budget: Budget | None) -> Grant | None:
    """The budget's limits on calls, tokens and dollars; None where it has none."""
    if budget is None or (budget.calls is None and budget.tokens is None and budget.usd is None):
        return None
    return {"calls": budget.calls, "tokens": budget.tokens, "usd": budget.usd}


def most_of_one_call(prompt_bytes: int, max_tokens: int | None, price: Price | None) -> Grant:
    """What one call could use at the very most.

    Unknown parts count as nothing: mixtures that limit them are refused.
    """
    output = max_tokens or 0
    usd = 0.0 if price is None else (prompt_bytes * price.input + output * price.output) / 1e6
    return {"calls": 1, "tokens": prompt_bytes + output, "usd": usd}


def affordable_bytes(grant: Grant, max_tokens: int | None, price: Price | None) -> int | None:
    """The longest prompt whose call ``grant`` could pay for; None where nothing limits it."""
    output = max_tokens or 0
    bounds = []
    if grant["tokens"] is not None:
        bounds.append(grant["tokens"] - output)
    if grant["usd"] is not None and price is not None and price.input > 0:
        bounds.append(int((grant["usd"] * 1e6 - output * price.output) / price.input))
    return min(bounds) if bounds else None


def spent(ledger: Iterable[Call]) -> Grant:
    """What the calls of ``ledger`` count for."""
    total = NOTHING
    for call in ledger:
        total = plus(total, call["charged"])
    return total


def hand_out(
    available: Grant, later: Grant, planned: Sequence[PlannedAnswer], *, closing: bool = False
) -> dict[str, Grant]:
    """Grants for the answers that a stage will ask for, in their configured order.

    First calls come before any retry. Retries share what isn't expected to be needed for ``later`` stages, a call each
    in turn.

    Args:
        available: What may be handed out, with the closing answer's part already set aside.
        later: What the stages after this one are expected to need.
        planned: The answers that the stage will ask for.
        closing: Whether this stage writes the answer: it then gets what is left even where that is less than it needs,
            and cuts its references to it.
    """
    balance = Balance(available)
    grants = {one.id: dict_of(one.first if balance.reserve(one.first) else NOTHING) for one in planned}
    if closing and planned and grants[planned[0].id]["calls"] == 0:
        return {**grants, planned[0].id: available}
    spare = Balance(minus(available if balance.left is None else balance.left, later))
    for round_number in range(max((answer.more for answer in planned), default=0)):
        for answer in planned:
            if round_number < answer.more and grants[answer.id]["calls"] != 0 and spare.reserve(answer.again):
                grants[answer.id] = plus(grants[answer.id], answer.again)
    return grants


def dict_of(grant: Grant) -> Grant:
    """A copy, since grants go into the state."""
    return {"calls": grant["calls"], "tokens": grant["tokens"], "usd": grant["usd"]}


def plus(left: Grant, right: Grant) -> Grant:
    """Both together. A part without a limit stays without one."""
    return {
        "calls": None if left["calls"] is None or right["calls"] is None else left["calls"] + right["calls"],
        "tokens": None if left["tokens"] is None or right["tokens"] is None else left["tokens"] + right["tokens"],
        "usd": None if left["usd"] is None or right["usd"] is None else left["usd"] + right["usd"],
    }


def larger(left: Grant, right: Grant) -> Grant:
    """The larger of each part. A part without a limit stays without one."""
    return {
        "calls": None if left["calls"] is None or right["calls"] is None else max(left["calls"], right["calls"]),
        "tokens": None if left["tokens"] is None or right["tokens"] is None else max(left["tokens"], right["tokens"]),
        "usd": None if left["usd"] is None or right["usd"] is None else max(left["usd"], right["usd"]),
    }


def minus(left: Grant, right: Grant) -> Grant:
    """``left`` without ``right``. A part without a limit stays without one."""
    return {
        "calls": None if left["calls"] is None else left["calls"] - (right["calls"] or 0),
        "tokens": None if left["tokens"] is None else left["tokens"] - (right["tokens"] or 0),
        "usd": None if left["usd"] is None else left["usd"] - (right["usd"] or 0.0),
    }


def _fits(need: Grant, left: Grant) -> bool:
    return (
        (left["calls"] is None or (need["calls"] or 0) <= left["calls"])
        and (left["tokens"] is None or (need["tokens"] or 0) <= left["tokens"])
        and (left["usd"] is None or (need["usd"] or 0.0) <= left["usd"])
    )
