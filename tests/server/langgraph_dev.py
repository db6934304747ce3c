"""Runs ``langgraph dev``, as a developer starts it, in a directory of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.server.databases import free_port

__all__ = ["DevServer", "langgraph_dev", "until", "wait_until_healthy"]

REPOSITORY = Path(__file__).parents[2]
LONGEST_START = 60.0


@dataclass(frozen=True)
class DevServer:
    """A running server.

    Attributes:
        url: Its address.
        process: The process.
        log: What it has written so far.
        seconds_to_start: From the command to the first answer.
    """

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    seconds_to_start: float


@contextmanager
def langgraph_dev(
    directory: Path, environment: Mapping[str, str] | None = None, project: Path = REPOSITORY / "langgraph.json"
) -> Iterator[DevServer]:
    """A server of a ``langgraph.json``, ended with SIGTERM.

    Args:
        directory: Where it runs and keeps its threads, so that another one can go on with them.
        environment: Variables beside those of the tests.
        project: The ``langgraph.json``; default: this project's.
    """
    described = project.read_text().replace('"./', f'"{project.parent}/')  # its paths hold where it stands
    (directory / project.name).write_text(described)
    port = free_port()
    command = [sys.executable, "-m", "langgraph_cli", "dev", "--no-browser", "--no-reload", "--port", str(port)]
    log = directory / "server.log"
    began = time.monotonic()
    with log.open("ab") as written:
        process = subprocess.Popen(
            [*command, "--n-jobs-per-worker", "4"],
            cwd=directory,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), **(environment or {})},
            stdout=written,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_healthy(f"{url}/ok", process, log, LONGEST_START)
        yield DevServer(url, process, log, time.monotonic() - began)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Waits until something holds that another process brings about."""
    async with asyncio.timeout(30):
        while not await holds():  # noqa: ASYNC110  (the other process has no event to wait for)
            await asyncio.sleep(0.02)


def wait_until_healthy(address: str, process: subprocess.Popen[bytes], log: Path, patience: float) -> None:
    """Waits until a server answers that it is well.

    Args:
        address: What it answers there is 200 from then on.
        process: The server's.
        log: What it writes, for the error.
        patience: Seconds that it may take.

    Raises:
        RuntimeError: It didn't start.
    """
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(address).status_code == 200:
                return
        time.sleep(0.05)
    raise RuntimeError(f"the server at {address} didn't start:\n{log.read_text()}")
