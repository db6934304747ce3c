"""Runs in step with each other leave the event loop time for everybody else."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from moa_graph import create_moa
from moa_graph.calls.fair_loop import AT_ONCE, let_others_run
from tests.models_for_tests import Reply, scripted

QUESTION: Any = {"messages": [("user", "why?")]}


async def longest_stall(runs: int) -> float:
    """Processor seconds for which a loop with so many runs looked at no timer, after they had begun."""
    proposers = [scripted(name, Reply("an answer", delay=0.5)) for name in "abcdef"]
    graph = create_moa(proposers=proposers, aggregator=scripted("w", Reply("written", delay=0.5)), layers=3).compile()
    await graph.ainvoke(QUESTION)
    working = [asyncio.create_task(graph.ainvoke(QUESTION)) for _ in range(runs)]
    await asyncio.sleep(0)
    longest = 0.0
    while not all(run.done() for run in working):
        began = time.thread_time()
        await asyncio.sleep(0.001)
        longest = max(longest, time.thread_time() - began)
    return longest


@pytest.mark.acceptance
async def test_five_hundred_runs_in_step_stall_the_loop_for_less_than_a_second() -> None:
    assert await longest_stall(500) < 1


async def test_few_of_many_go_on_in_one_round_of_the_loop() -> None:
    rounds: list[int] = []
    number = 0

    async def one() -> None:
        await let_others_run()
        rounds.append(number)

    tasks = [asyncio.create_task(one()) for _ in range(10 * AT_ONCE)]
    cancelled = tasks[-1]
    while not all(task.done() for task in tasks):
        number += 1
        if number == 3:
            cancelled.cancel()
        await asyncio.sleep(0)
    assert max(rounds.count(one) for one in set(rounds)) <= AT_ONCE
    assert len(rounds) == 10 * AT_ONCE - 1
