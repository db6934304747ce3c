"""Runs in step with each other leave the event loop time for everybody else."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler

from moa_graph import create_moa
from moa_graph.calls.fair_loop import AT_ONCE, let_others_run
from moa_graph.models.importing import imported
from moa_graph.models.reference import PROVIDERS, Provider
from tests.models_for_tests import Reply, scripted
from tests.whole.soaking import CountedEntries, Soak

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


class CountsBeginnings(BaseCallbackHandler):
    """How many runs have begun."""

    run_inline = True
    begun = 0

    def on_chain_start(self, *_: Any, parent_run_id: Any = None, **__: Any) -> None:
        self.begun += parent_run_id is None


async def test_few_of_many_runs_begin_in_one_round_of_the_loop() -> None:
    counting = CountsBeginnings()
    graph = create_moa(proposers=[scripted("p", "one")], aggregator=scripted("w", "written")).compile()
    runs = [asyncio.create_task(graph.ainvoke(QUESTION, {"callbacks": [counting]})) for _ in range(5 * AT_ONCE)]
    before = most = 0
    while not all(run.done() for run in runs):
        await asyncio.sleep(0)
        most, before = max(most, counting.begun - before), counting.begun
    assert before == len(runs)
    assert most <= AT_ONCE


async def test_a_providers_package_is_imported_beside_the_loop_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written = "import threading, time\nwhere = threading.get_ident()\ntime.sleep(0.1)\n"
    (tmp_path / "package_of_nobody.py").write_text(written)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(PROVIDERS, "nobody", Provider("package-of-nobody"))
    waiting = [asyncio.create_task(imported(["sim", "nobody", "unknown"])) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    rounds = 0
    while not waiting[1].done():
        await asyncio.sleep(0.001)
        rounds += 1
    await waiting[2]
    import package_of_nobody  # type: ignore[import-not-found]

    assert package_of_nobody.where != threading.get_ident()
    assert rounds > 5


async def test_a_package_that_cannot_be_imported_is_told_of_where_a_model_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(PROVIDERS, "nobody", Provider("no-package-at-all"))
    await imported(["nobody"])


async def test_the_pause_of_the_soaks_own_sampler_is_no_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    soak = Soak(1, CountedEntries())
    monkeypatch.setattr(Soak, "_measured", lambda *_: time.sleep(0.5))
    watching = asyncio.create_task(soak.watch_the_loop())
    await asyncio.sleep(0)
    soak.sample(0.0)
    await asyncio.sleep(0.06)
    soak.stopping = True
    await watching
    assert soak.stall < 0.3
