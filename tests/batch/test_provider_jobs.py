"""Half the price through the providers' batch jobs, layer by layer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from moa_graph import create_moa
from moa_graph.batch import Summary, arun, run
from moa_graph.errors import MoaError
from moa_graph.graph import MoaGraph
from moa_graph.server.simulator import RunningSimulator, running_simulator
from tests.batch.panel import KEY, KEY_VARIABLE, PRICE, profiles, read_lines, write_rows

PROPOSERS = ("a", "b", "c")
CALLS = len(PROPOSERS) * 2 + 1


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSimulator]:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    monkeypatch.setattr("moa_graph.batch.jobs.FIRST_LOOK", 0.01)
    with running_simulator(profiles(), KEY) as running:
        yield running


def three_layers(simulator: RunningSimulator, sdk: str = "openai") -> MoaGraph:
    settings = {"base_url": simulator.base_url, "key_variable": KEY_VARIABLE, "price": PRICE, "max_tokens": 200}
    models = {name: {"model": f"{sdk}:{name}", **settings} for name in (*PROPOSERS, "w")}
    propose = {"propose": {"slots": list(PROPOSERS)}}
    return create_moa({"name": "three", "models": models, "stages": [propose, propose, {"aggregate": {"slot": "w"}}]})


def by_jobs(folder: Path, simulator: RunningSimulator, rows: int = 8, sdk: str = "openai", **settings: Any) -> Summary:
    written = write_rows(folder / "in.jsonl", rows)
    return run(written, folder / "out.jsonl", three_layers(simulator, sdk), provider_batch=True, **settings)


def answers(path: Path) -> dict[str, str]:
    return {line["id"]: line["answer"] for line in read_lines(path)}


@pytest.mark.parametrize("sdk", ["openai", "together"])
def test_each_layer_is_one_job_and_the_answers_are_those_of_direct_calls(
    simulator: RunningSimulator, tmp_path: Path, sdk: str
) -> None:
    summary = by_jobs(tmp_path, simulator, sdk=sdk)
    assert len(simulator.app.batches.jobs) == 3
    assert (summary.answered, summary.calls) == (8, 8 * CALLS)
    counted = simulator.stats()["total"]
    assert summary.usd == pytest.approx(counted["cost"])
    rows = read_lines(tmp_path / "out.jsonl")
    assert sum(row["usd"] for row in rows) == pytest.approx(counted["cost"])
    run(tmp_path / "in.jsonl", tmp_path / "direct.jsonl", three_layers(simulator, sdk))
    assert answers(tmp_path / "direct.jsonl") == answers(tmp_path / "out.jsonl")
    assert simulator.stats()["total"]["cost"] == pytest.approx(3 * counted["cost"])


def test_lines_that_a_job_failed_at_are_part_of_the_next_one(simulator: RunningSimulator, tmp_path: Path) -> None:
    simulator.app.batches.lost = 20
    summary = by_jobs(tmp_path, simulator, rows=20)
    assert (summary.answered, summary.failed) == (20, 0)
    assert len(simulator.app.batches.jobs) > 3


def test_what_an_expired_job_left_is_asked_again(simulator: RunningSimulator, tmp_path: Path) -> None:
    simulator.app.batches.ends = ["expired"]
    assert by_jobs(tmp_path, simulator).answered == 8
    assert simulator.stats()["total"]["requests"] == 8 * CALLS


def test_a_job_that_is_refused_says_why(simulator: RunningSimulator, tmp_path: Path) -> None:
    simulator.app.batches.ends = ["failed"]
    with pytest.raises(MoaError, match="holds no valid request"):
        by_jobs(tmp_path, simulator)
    assert by_jobs(tmp_path, simulator).answered == 8


async def test_a_batch_that_is_stopped_while_jobs_run_goes_on_with_them(
    simulator: RunningSimulator, tmp_path: Path
) -> None:
    batches = simulator.app.batches
    batches.seconds = 3600.0
    rows = write_rows(tmp_path / "in.jsonl", 8)

    async def try_once() -> Summary:
        return await arun(rows, tmp_path / "out.jsonl", three_layers(simulator), provider_batch=True)

    for layer in range(3):
        task = asyncio.create_task(try_once())
        while len(batches.jobs) == layer:  # noqa: ASYNC110 (the simulator has a thread of its own)
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for job in batches.jobs.values():
            job.ends = 0.0
    assert (await try_once()).answered == 8
    assert len(batches.jobs) == 3
    assert simulator.stats()["total"]["requests"] == 8 * CALLS


def test_dollars_that_do_not_pay_for_a_job_stop_the_batch_before_it(
    simulator: RunningSimulator, tmp_path: Path
) -> None:
    with pytest.raises(MoaError, match="raise --usd"):
        by_jobs(tmp_path, simulator, rows=20, usd=0.04)
    assert simulator.stats()["total"]["cost"] <= 0.04
    assert by_jobs(tmp_path, simulator, rows=20, usd=10.0).answered == 20
