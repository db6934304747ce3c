"""Batches as large as people run them: memory, processor time, jobs of a thousand rows. Run with -m acceptance -n 0."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from moa_graph import create_moa
from moa_graph.batch import arun, run
from moa_graph.graph import MoaGraph
from moa_graph.runs import run as run_once
from moa_graph.server.simulator import RunningSimulator, running_simulator
from moa_graph.store import open_store
from tests.batch.panel import KEY, KEY_VARIABLE, PRICE, profiles, read_lines, write_rows
from tests.cli.processes import ROOT

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(3600)]

_log = logging.getLogger(__name__)

MEASURED = """
import resource, sys
from moa_graph import create_moa
from moa_graph.batch import run
graph = create_moa({"name": "one", "stages": [{"aggregate": {"slot": "sim:instant"}}]})
at = []
def progress(summary, done):
    if done is not None and summary.done_now in (10_000, 100_000):
        at.append(int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize())
summary = run(sys.argv[1], sys.argv[2], graph, progress=progress)
assert summary.answered == 100_000, summary
print(*at)
"""


def test_memory_after_a_hundred_thousand_rows_is_that_after_ten_thousand(tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "in.jsonl", 100_000)
    ran = subprocess.run(
        [sys.executable, "-c", MEASURED, str(rows), str(tmp_path / "out.jsonl")],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    early, late = map(int, ran.stdout.split())
    _log.info("%.0f MB after 10,000 rows, %.0f MB after 100,000: %.3f x", early / 1e6, late / 1e6, late / early)
    assert late <= 1.1 * early


def seven_calls() -> MoaGraph:
    stages: list[Any] = [{"propose": {"slots": ["sim:instant"] * 6}}, {"aggregate": {"slot": "sim:instant"}}]
    return create_moa({"name": "seven", "stages": stages})


async def by_hand(rows: int, folder: Path) -> float:
    """Processor seconds of the graph's own runs over the same kind of store."""
    graph, at_once = seven_calls(), asyncio.Semaphore(16)
    async with open_store(folder / "calls.sqlite") as store:
        graph.plan.store = store
        compiled = graph.compile()

        async def one(number: int) -> None:
            async with at_once:
                await run_once(compiled, [("user", f"What is {number} * 7 + 1?")])

        began = time.process_time()
        for first in range(0, rows, 500):
            await asyncio.gather(*(one(number) for number in range(first, min(first + 500, rows))))
        return time.process_time() - began


async def as_batch(rows: int, folder: Path) -> float:
    written, graph = write_rows(folder / "in.jsonl", rows), seven_calls()
    began = time.process_time()
    await arun(written, folder / "out.jsonl", graph)
    return time.process_time() - began


async def test_a_batch_takes_little_more_than_the_graphs_own_runs(tmp_path: Path) -> None:
    ratios = []
    for number in range(5):
        folders = tmp_path / f"hand-{number}", tmp_path / f"batch-{number}"
        for folder in folders:
            folder.mkdir()
        hand, batch = await by_hand(1_000, folders[0]), await as_batch(1_000, folders[1])
        ratios.append(batch / hand)
        _log.info("%.2f ms a row by hand, %.2f as a batch: %.3f x", hand, batch, batch / hand)
    assert sorted(ratios)[2] <= 1.05


def paper_shape(simulator: RunningSimulator) -> MoaGraph:
    """Thirteen calls, as together-moa makes."""
    settings = {"base_url": simulator.base_url, "key_variable": KEY_VARIABLE, "price": PRICE, "max_tokens": 200}
    models = {name: {"model": f"together:{name}", **settings} for name in ("a", "b", "c", "d", "e", "f", "w")}
    propose = {"propose": {"slots": ["a", "b", "c", "d", "e", "f"]}}
    return create_moa({"name": "paper", "models": models, "stages": [propose, propose, {"aggregate": {"slot": "w"}}]})


@pytest.mark.parametrize("lost", [None, 20])
def test_a_thousand_rows_take_three_jobs_at_half_the_price(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: int | None
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    rows = write_rows(tmp_path / "in.jsonl", 1_000)
    with running_simulator(profiles(), KEY) as simulator:
        simulator.app.batches.lost = lost
        summary = run(rows, tmp_path / "jobs.jsonl", paper_shape(simulator), provider_batch=True)
        by_jobs, jobs = simulator.stats()["total"], len(simulator.app.batches.jobs)
        run(rows, tmp_path / "direct.jsonl", paper_shape(simulator))
        directly = simulator.stats()["total"]["cost"] - by_jobs["cost"]
    _log.info("%d jobs, %d requests, $%.4f against $%.4f", jobs, by_jobs["requests"], by_jobs["cost"], directly)
    assert (summary.answered, summary.failed) == (1_000, 0)
    assert jobs == 3 if lost is None else jobs > 3
    assert summary.usd == pytest.approx(by_jobs["cost"])
    assert by_jobs["cost"] == pytest.approx(directly / 2)
    answers = [
        {line["id"]: line["answer"] for line in read_lines(tmp_path / f"{name}.jsonl")} for name in ("jobs", "direct")
    ]
    assert answers[0] == answers[1]
