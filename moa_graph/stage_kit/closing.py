"""What a stage writes when it ends, and hands to the next one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langgraph.config import get_config
from langgraph.runtime import get_runtime

from moa_graph.stage_kit.resume import is_resumed
from moa_graph.stage_kit.run_context import RunContext
from moa_graph.state import MoaState, Record, live

__all__ = ["closing_update", "failure_reasons"]


def closing_update(run: RunContext, seconds: float | None = None) -> dict[str, Any]:
    """What a stage that ends writes: the time it took, and what the next stage is handed. Tells its event.

    To be called in the stage's last node.

    Args:
        run: The stage with all that it gave.
        seconds: How long it took; None: as long as its longest answer.
    """
    own, plan = run.own_records(), run.stage.plan
    if seconds is None:
        seconds = max((record["seconds"] for record in own), default=0.0)
    turn = run.state["turn"]
    turn = {**turn, "active": turn.get("active", 0.0) + seconds}
    if is_resumed(get_config()):
        turn["resumed"] = True
    state: MoaState = {**run.state, "turn": turn}
    following = plan.next_after(run.stage, turn)
    turn = {**turn, **plan.open(following, state, run.options)}
    alive = len(live(own))
    get_runtime().stream_writer(
        {
            "type": "stage_finished",
            "mixture": plan.mixture,
            "stage": run.stage.name,
            "live": alive,
            "failed": len(own) - alive,
            "seconds": seconds,
            "end": turn.get("end"),
        }
    )
    return {"turn": turn}


def failure_reasons(records: Sequence[Record]) -> list[str]:
    """A line for each failed record: its slot, the kind of failure, and the provider's own words."""
    return [
        f"{record['stage']}/{record['slot']}: {record['failure']['kind']}: {record['failure']['message']}"
        for record in records
        if record["failure"] is not None
    ]
