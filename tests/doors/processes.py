"""Simulated models and a door over them, each a process of its own, for proofs that need real ones."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["KEY", "door", "mixture_file", "simulator", "started", "stats"]

KEY = "ada-secret-key"
PRICE = {"input": 1.0, "output": 2.0}


@contextmanager
def started(command: Sequence[str], env: Mapping[str, str], log: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A ``moa`` command that serves, and the address that it writes when it is ready."""
    with log.open("a") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.doors.moa", *command],
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=out,
            text=True,
        )
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        assert re.match(r"http://127\.0\.0\.1:\d+/v1$", address), log.read_text()
        yield process, address
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextmanager
def simulator(directory: Path, profiles: Mapping[str, Any]) -> Iterator[str]:
    """Simulated models."""
    file = directory / "profiles.json"
    file.write_text(json.dumps(dict(profiles)))
    command = ["simulate", "--port", "0", "--profiles", str(file)]
    with started(command, {}, directory / "simulate.log") as (_, address):
        yield address


@contextmanager
def door(directory: Path, mixture: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A door that asks for a key."""
    env = {"MOA_API_KEYS": f"ada={KEY}"}
    spending = ("--spending", str(directory / "spending.sqlite"))
    with started(["serve", str(mixture), "--port", "0", *spending, *options], env, directory / "serve.log") as running:
        yield running


def mixture_file(directory: Path, address: str, proposers: int, layers: int, name: str = "panel") -> Path:
    """Layers of the same proposers, and a writer."""
    names = [f"p{number}" for number in range(proposers)]
    models = {
        one: {"model": f"openai:{one}", "base_url": address, "price": PRICE, "max_tokens": 400}
        for one in (*names, "writer")
    }
    stages: list[Any] = [{"propose": {"slots": names}}] * (layers - 1)
    file = directory / "panel.json"
    described = {"name": name, "models": models, "stages": [*stages, {"aggregate": {"slot": "writer"}}]}
    file.write_text(json.dumps(described))
    return file


def stats(address: str) -> dict[str, Any]:
    """What the simulator counts, once it answers."""
    for _ in range(50):
        try:
            with urllib.request.urlopen(address.removesuffix("/v1") + "/stats", timeout=5) as answer:
                counted: dict[str, Any] = json.load(answer)
                return counted
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the simulator doesn't answer")
