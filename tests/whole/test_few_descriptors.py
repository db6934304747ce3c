"""A process that may open few files loses no call, however many are asked at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from moa_graph.server.simulator import running_simulator
from tests.models.simulation_requests import instant

pytest.importorskip("resource", reason="this system doesn't limit descriptors so")

PROGRAM = """
import asyncio, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
from moa_graph import create_moa

async def main(url):
    models = {name: {"model": f"openai:{name}", "base_url": url} for name in "abc"}
    stages = [{"propose": {"slots": list("abc"), "timeout": 60}}, {"aggregate": {"slot": "a"}}]
    graph = create_moa({"name": "many", "models": models, "stages": stages}).compile()
    runs = [graph.ainvoke({"messages": [("user", f"What is {number} + 3?")]}) for number in range(300)]
    ended = await asyncio.gather(*runs, return_exceptions=True)
    errors = [repr(one) for one in ended if isinstance(one, BaseException)]
    failed = [record["failure"] for one in ended if isinstance(one, dict)
              for record in one["records"] if record["failure"]]
    print(len(ended) - len(errors), "answered,", len(failed), "failed calls", errors[:1], failed[:1])

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.acceptance
def test_three_hundred_runs_at_once_with_1024_descriptors_lose_none() -> None:
    latency = {"first_token": 3.0, "tokens_a_second": None}
    with running_simulator({name: instant(name, latency=latency) for name in "abc"}) as simulator:
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, simulator.base_url],
            env={**os.environ, "OPENAI_API_KEY": "none"},
            cwd=Path(__file__).parents[2],
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert ended.stdout == "300 answered, 0 failed calls [] []\n", ended.stderr
