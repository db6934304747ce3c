"""What must hold after every run: nothing leaks, and its accounts are the server's."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from moa_graph.errors import MoaError
from moa_graph.server.simulator import RunningSimulator
from tests.server.simulator_clients import until
from tests.whole.mixtures_over_http import KEY, PRICE, Run

__all__ = ["assert_all_is_well"]


TOKENS_ON_THE_WAY = 3
"""What the server may have sent and the client not read when it left."""


async def assert_all_is_well(
    run: Run, simulator: RunningSimulator, *, reached: bool = True, exactly: bool = True
) -> None:
    """Whatever happened: only the project's own error, no key, no task, and equal accounts on both sides.

    Args:
        run: What was seen of the run.
        simulator: The server that it met.
        reached: Whether all of its requests reached the server.
        exactly: Whether the client has read all that the server sent.
    """
    assert run.error is None or isinstance(run.error, MoaError), run.error
    assert KEY not in repr((run.state, run.events, run.pieces, run.error, str(run.error)))
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await until(lambda: simulator.stats()["total"]["in_flight"] == 0)
    calls = [call for call in run.told("call_finished") if not call["hit"]]
    if reached:
        asked = Counter(call["model"].partition(":")[2] for call in calls)
        assert asked == {name: tally["requests"] for name, tally in simulator.stats()["models"].items()}
    _assert_equal_accounts(calls, simulator.stats()["total"], 0 if exactly else TOKENS_ON_THE_WAY)
    if run.error is None:
        _assert_the_report_adds_up(run.report, calls)


def _assert_equal_accounts(calls: list[dict[str, Any]], served: dict[str, Any], on_the_way: int) -> None:
    """Estimates are marked as such. They are held against the server's count of the answers that it began to send."""
    known = [call for call in calls if not call["estimated"]]
    assert sum(call["usage"]["input"] for call in known) == served["prompt_tokens"]
    assert sum(call["usage"]["output"] for call in known) == served["completion_tokens"]
    estimated = [call for call in calls if call["estimated"]]
    assert all(call["status"] == "failed" for call in estimated)
    if served["cut_prompt_tokens"]:
        assert sum(call["usage"]["input"] for call in estimated) == served["cut_prompt_tokens"]
        heard = sum(call["usage"]["output"] for call in estimated)
        assert 0 <= served["cut_completion_tokens"] - heard <= on_the_way
        unheard = (served["cut_completion_tokens"] - heard) * PRICE["output"] / 1e6
        assert sum(call["cost"] for call in calls) + unheard == pytest.approx(served["cost"])
    else:
        assert sum(call["cost"] for call in known) == pytest.approx(served["cost"])


def _assert_the_report_adds_up(report: dict[str, Any], calls: list[dict[str, Any]]) -> None:
    assert report["calls"] == len(calls)
    assert report["failed_calls"] == sum(call["status"] == "failed" for call in calls)
    if not report["hits"]:
        assert report["usage"]["input"] == sum(call["usage"]["input"] for call in calls)
        assert report["usage"]["output"] == sum(call["usage"]["output"] for call in calls)
    assert report["cost"] == pytest.approx(sum(call["cost"] for call in calls))
    assert report["estimated"] == any(call["estimated"] for call in calls)
