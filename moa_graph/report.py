"""What a run did and cost, from its ledger and records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from typing_extensions import TypedDict

from moa_graph.state import Failure, MoaState, Record, Usage, live, of_stage
from moa_graph.usage import sum_of

__all__ = ["Report", "Saved", "StageReport", "make_report"]


class Saved(TypedDict):
    """What it would have taken to get the advice that the conversation already held."""

    answers: int
    usage: Usage
    cost: float | None
    """US dollars; None as soon as the cost of one answer isn't known."""


class StageReport(TypedDict):
    """What one stage gave."""

    stage: str
    live: int
    """Records that hold an answer."""
    failed: dict[str, Failure | None]
    """``slot#sample`` of each failed record, and why it failed."""
    notes: dict[str, list[str]]
    """``slot#sample`` of each record that a reader should know something about."""
    seconds: float


class Report(TypedDict):
    """What a turn did and cost, plain JSON. Unknown costs are None, never zero."""

    mixture: str
    simulated: bool
    """Whether every model is a simulated one."""
    degraded: list[str]
    """Why the answer is less than what the mixture describes; empty if it isn't."""
    ended_early: str | None
    """Why the turn went straight to its answer."""
    resumed: bool
    calls: int
    """Model requests that were made, retries included."""
    hits: int
    """Calls answered by the store."""
    saved: Saved | None
    """What an agent's loop was spared; None where the conversation held no advice."""
    failed_calls: int
    usage: Usage
    usage_complete: bool
    """Whether the usage of every call is known."""
    cost: float | None
    """US dollars; None as soon as the price of one call isn't known."""
    known_cost: float
    """US dollars, of the calls whose price is known."""
    estimated: bool
    """Whether any figure is an estimate, as those of calls that were cut off are."""
    seconds: float
    """Active seconds: without the time in which a person was waited for."""
    models: list[str]
    """The models that were asked, each once."""
    stages: list[StageReport]


def make_report(state: MoaState, mixture: str, stages: Sequence[str]) -> Report:
    """The report of a turn.

    Args:
        state: The state at the turn's end.
        mixture: Name of the mixture.
        stages: Names of its stages, in order.
    """
    ledger, records, turn = state.get("ledger") or [], state.get("records") or [], state["turn"]
    costs = [call["cost"] for call in ledger]
    known = [cost for cost in costs if cost is not None]
    return {
        "mixture": mixture,
        "simulated": turn.get("simulated", False),
        "degraded": list(turn.get("degraded", [])),
        "ended_early": turn.get("end"),
        "resumed": turn.get("resumed", False),
        "calls": sum(not call["hit"] for call in ledger),
        "hits": sum(call["hit"] for call in ledger),
        "saved": _saved(state),
        "failed_calls": sum(call["status"] == "failed" for call in ledger),
        "usage": _total(call["usage"] for call in ledger),
        "usage_complete": all(call["usage"] is not None for call in ledger),
        "cost": sum(known, 0.0) if len(known) == len(costs) else None,
        "known_cost": sum(known, 0.0),
        "estimated": any(call["estimated"] for call in ledger),
        "seconds": turn.get("active", 0.0),
        "models": sorted({call["model"] for call in ledger}),
        "stages": [_stage(name, of_stage(records, name)) for name in stages],
    }


def _saved(state: MoaState) -> Saved | None:
    """What it had taken to get the advice that the conversation held; None where it held none."""
    if not state["turn"].get("advised"):
        return None
    asked = {call["record"] for call in state.get("ledger") or []}
    given = [record for record in state.get("records") or [] if record["id"] not in asked and record["usage"]]
    costs = [record["cost"] for record in given]
    known = [cost for cost in costs if cost is not None]
    return {
        "answers": len(given),
        "usage": _total(record["usage"] for record in given),
        "cost": sum(known, 0.0) if len(known) == len(costs) else None,
    }


def _total(usages: Iterable[Usage | None]) -> Usage:
    return sum_of([usage for usage in usages if usage is not None])


def _stage(name: str, records: Sequence[Record]) -> StageReport:
    failed = [record for record in records if record["status"] == "failed"]
    return {
        "stage": name,
        "live": len(live(records)),
        "failed": {f"{record['slot']}#{record['sample']}": record["failure"] for record in failed},
        "notes": {f"{record['slot']}#{record['sample']}": record["notes"] for record in records if record["notes"]},
        "seconds": max((record["seconds"] for record in records), default=0.0),
    }
