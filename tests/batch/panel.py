"""A mixture of seven calls behind a socket, its rows, and the command as a process that can be killed."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from moa_graph.models.simulation import Profile
from moa_graph.server.simulator import RunningSimulator
from tests.cli.processes import COMMAND, environment
from tests.models.simulation_requests import instant

KEY = "the-simulators-own-key"
KEY_VARIABLE = "SIMULATOR_API_KEY"
PRICE = {"input": 1.0, "output": 2.0}
NAMES = ("a", "b", "c", "d", "e", "f", "w")


def profiles(**fields: Any) -> dict[str, Profile]:
    return {name: instant(name, price=PRICE, **fields) for name in NAMES}


def write_mixture(path: Path, simulator: RunningSimulator, **fields: Any) -> Path:
    """Six proposers and a writer, asked through OpenAI's SDK."""
    settings = {"base_url": simulator.base_url, "key_variable": KEY_VARIABLE, "price": PRICE, "max_tokens": 200}
    stages = [{"propose": {"slots": list(NAMES[:-1])}}, {"aggregate": {"slot": "w"}}]
    models = {name: {"model": f"openai:{name}", **settings} for name in NAMES}
    path.write_text(yaml.safe_dump({"name": "panel", "models": models, "stages": stages, **fields}), encoding="utf-8")
    return path


def write_rows(path: Path, count: int) -> Path:
    rows = ({"id": f"row-{index}", "prompt": f"What is {index} * 7 + 1?"} for index in range(count))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def command(*arguments: str | Path) -> list[str]:
    return [*COMMAND, "batch", *map(str, arguments)]


def run_command(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """``moa batch`` to its end."""
    surroundings = environment(**{KEY_VARIABLE: KEY, **variables})
    return subprocess.run(
        command(*arguments), env=surroundings, capture_output=True, text=True, timeout=600, check=False
    )


def killed_again_and_again(
    arguments: list[str | Path], simulator: RunningSimulator, after: Iterator[int]
) -> subprocess.CompletedProcess[str]:
    """Starts the command and kills it with -9 when so many more requests have arrived; then runs it to its end.

    Args:
        arguments: Of ``moa batch``.
        simulator: Who counts the requests.
        after: Requests before each kill.
    """
    for requests in after:
        before = simulator.stats()["total"]["requests"]
        process = subprocess.Popen(
            command(*arguments),
            env=environment(**{KEY_VARIABLE: KEY}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        while process.poll() is None and simulator.stats()["total"]["requests"] < before + requests:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    return run_command(*arguments)


def random_counts(count: int, low: int, high: int, seed: int = 7) -> Iterator[int]:
    drawn = random.Random(seed)
    return (drawn.randint(low, high) for _ in range(count))
