"""What must hold after every run: nothing leaks, and its accounts are the server's."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from pytest import approx

from moa_graph.errors import MoaError
from moa_graph.server.simulator import RunningSimulator
from tests.server.simulator_clients import until
from tests.whole.mixtures_over_http import KEY, Run

__all__ = ["assert_all_is_well"]


async def assert_all_is_well(run: Run, simulator: RunningSimulator, *, reached: bool = True) -> None:
    """Whatever happened: only the project's own error, no key, no task, and equal accounts on both sides.

    Args:
        run: What was seen of the run.
        simulator: The server that it met.
        reached: Whether all of its requests reached the server.
    """
    assert run.error is None or isinstance(run.error, MoaError), run.error
    assert KEY not in repr((run.state, run.events, run.pieces, run.error, str(run.error)))
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await until(lambda: simulator.stats()["total"]["in_flight"] == 0)
    calls = run.told("call_finished")
    if reached:
        asked = Counter(call["model"].partition(":")[2] for call in calls)
        assert asked == {name: tally["requests"] for name, tally in simulator.stats()["models"].items()}
    _assert_equal_accounts(calls, simulator.stats()["total"])
    if run.error is None:
        _assert_the_report_adds_up(run.report, calls)


def _assert_equal_accounts(calls: list[dict[str, Any]], served: dict[str, Any]) -> None:
    """To the token where the provider said what it counted; estimates are marked, and near where the server counts."""
    known = [call for call in calls if not call["estimated"]]
    assert sum(call["usage"]["input"] for call in known) == served["prompt_tokens"]
    assert sum(call["usage"]["output"] for call in known) == served["completion_tokens"]
    estimated = [call for call in calls if call["estimated"]]
    assert all(call["status"] == "failed" for call in estimated)
    if served["cut_prompt_tokens"]:
        assert sum(call["usage"]["input"] for call in estimated) == served["cut_prompt_tokens"]
        assert sum(call["usage"]["output"] for call in estimated) == served["cut_completion_tokens"]
        assert sum(call["cost"] for call in calls) == approx(served["cost"])
    else:
        assert sum(call["cost"] for call in known) == approx(served["cost"])


def _assert_the_report_adds_up(report: dict[str, Any], calls: list[dict[str, Any]]) -> None:
    assert report["calls"] == len(calls)
    assert report["failed_calls"] == sum(call["status"] == "failed" for call in calls)
    assert report["usage"]["input"] == sum(call["usage"]["input"] for call in calls)
    assert report["usage"]["output"] == sum(call["usage"]["output"] for call in calls)
    assert report["cost"] == approx(sum(call["cost"] for call in calls))
    assert report["estimated"] == any(call["estimated"] for call in calls)
