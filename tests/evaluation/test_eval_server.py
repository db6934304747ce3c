"""``moa eval`` against a server that counts what it is asked: dollars bounded by its count, kills that lose nothing.

These take a server, processes and some seconds, so they run with ``-m acceptance``.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

pytest.importorskip("uvicorn")

from moa_graph.cli import main
from moa_graph.evaluation.evaluating import evaluate
from moa_graph.evaluation.tables import read_results
from moa_graph.server.simulator import RunningSimulator, running_simulator
from tests.models.simulation_requests import instant

pytestmark = [pytest.mark.acceptance, pytest.mark.enable_socket]

ITEMS = 40
PRICE = {"input": 1, "output": 5}


def profiles(seconds: float = 0.0) -> dict[str, Any]:
    latency = {"first_token": seconds, "tokens_a_second": None}
    return {name: instant(name, price=PRICE, latency=latency) for name in ("alpha", "beta")}


def made(folder: Path, simulator: RunningSimulator) -> tuple[Path, list[str]]:
    """The data, and two candidates that ask the server."""
    data, candidates = folder / "sums.jsonl", []
    rows = [
        {"id": f"s{one}", "question": f"What is {one} + {7 * one}?", "answer": str(8 * one)} for one in range(ITEMS)
    ]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name in ("alpha", "beta"):
        model = {"model": f"openai:{name}", "base_url": simulator.base_url, "max_tokens": 100, "price": PRICE}
        mixture = {"name": name, "models": {"m": model}, "stages": [{"aggregate": {"slot": "m", "view": "none"}}]}
        (folder / f"{name}.json").write_text(json.dumps(mixture))
        candidates.append(str(folder / f"{name}.json"))
    return data, candidates


async def test_the_dollars_are_bounded_by_the_servers_own_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    with running_simulator(profiles()) as simulator:
        data, candidates = made(tmp_path, simulator)
        whole = await evaluate(data, candidates, tmp_path / "whole", grade="number")
        cost = simulator.stats()["total"]["cost"]
        assert whole.usd == pytest.approx(cost)
        simulator.reset()
        bound = 0.6 * cost
        part = await evaluate(data, candidates, tmp_path / "part", grade="number", usd=bound)
        asked = simulator.stats()["total"]["cost"]
        print(f"--usd {bound:.6f}: {asked:.6f} by the server's count, {part.usd:.6f} by ours")  # noqa: T201
        assert part.stopped is not None
        assert 0.5 * bound < asked <= bound
        assert part.usd == pytest.approx(asked)
        again = await evaluate(data, candidates, tmp_path / "part", grade="number", usd=2 * cost)
        assert again.stopped is None
        assert simulator.stats()["total"]["cost"] == pytest.approx(cost)  # nothing was paid twice


@pytest.mark.timeout(900)
def test_killed_and_started_again_nothing_is_lost_or_paid_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, kills = random.Random(3), 0
    with running_simulator(profiles(0.15)) as simulator:
        data, candidates = made(tmp_path, simulator)
        command = [
            *(sys.executable, "-c", "from moa_graph.cli import main; main()"),
            *("eval", str(data), "--candidates", ",".join(candidates)),
            *("--grade", "number", "--concurrency", "2", "--usd", "1", "-o", str(tmp_path / "out")),
        ]
        environment = {**os.environ, "OPENAI_API_KEY": "a-key"}
        for _ in range(5):
            process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            before = simulator.stats()["total"]["requests"]
            deadline = time.monotonic() + 120
            enough = drawn.randint(5, 14)
            while process.poll() is None and simulator.stats()["total"]["requests"] < before + enough:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            if process.poll() is not None:
                break
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
        told = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert told.returncode == 0, told.stdout + told.stderr
        requests = simulator.stats()["total"]["requests"]
    table = read_results(tmp_path / "out/results.parquet")
    print(f"{kills} kills: {len(table)} rows of {2 * ITEMS}, {requests} requests")  # noqa: T201
    assert kills >= 3
    assert len(table) == len(table.drop_duplicates(["candidate", "id"])) == 2 * ITEMS
    assert table["right"].all()
    assert requests <= 2 * ITEMS + 2 * kills  # only what was in flight at a kill is asked again


def made_judge(folder: Path, simulator: RunningSimulator) -> str:
    """A judge on the same server, as a file."""
    model = {"model": "openai:judge", "base_url": simulator.base_url, "max_tokens": 100, "price": PRICE}
    mixture = {"name": "judge", "models": {"m": model}, "stages": [{"aggregate": {"slot": "m", "view": "none"}}]}
    (folder / "judge.json").write_text(json.dumps(mixture))
    return str(folder / "judge.json")


def moa(*arguments: str) -> Result:
    told = CliRunner().invoke(main, arguments)
    assert told.exit_code == 0, told.output
    return told


@pytest.mark.parametrize(("skill", "agrees"), [(1.0, 1.0), (0.6, None)])
def test_a_judge_grades_within_its_dollars_and_its_agreement_with_labels_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, skill: float, agrees: float | None
) -> None:
    """Two models answer and a third judges, by its own sums or by the reference; all of it is counted by the server."""
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    served = {**profiles(), "judge": instant("judge", price=PRICE)}
    served["beta"] = instant("beta", price=PRICE, skill={"arithmetic": skill})
    with running_simulator(served) as simulator:
        data, candidates = made(tmp_path, simulator)
        judge = made_judge(tmp_path, simulator)
        told = moa(
            "eval", str(data), "--candidates", ",".join(candidates), "--grade", f"judge:{judge}", "--check", "number",
            "--usd", "1", "-o", str(tmp_path / "out"),
        )  # fmt: skip
        print(told.stdout)  # noqa: T201
        cost = simulator.stats()["total"]["cost"]
        assert f"{cost:.6f} dollars in total" in told.stdout
        assert f"the judge agrees with the check on 100.0% of {2 * ITEMS}" in told.stdout
        right = read_results(tmp_path / "out/results.parquet").groupby("candidate")["right"].mean().tolist()
        assert right[0] == 1
        assert right[1] == agrees if agrees is not None else 0.3 < right[1] < 1
        simulator.reset()
        compared = moa(
            "compare", str(tmp_path / "out/results.parquet"), "--judge", judge, "--against", candidates[0],
            "--usd", "1", "--json",
        )  # fmt: skip
        pairs = json.loads(compared.stdout)
        assert pairs["usd"] == pytest.approx(simulator.stats()["total"]["cost"])
        [beta] = pairs["candidates"]
        assert beta["win_rate"] == pytest.approx(right[1] / 2)  # right answers tie, wrong ones lose
        assert beta["swayed"] == 0
