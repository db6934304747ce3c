"""Runs Aegra on this project's ``langgraph.json``, in an environment of its own.

Aegra needs Python 3.12 and packages that this project doesn't. ``AEGRA_PYTHON`` names a Python that has it:

    python3.12 -m venv /tmp/aegra && /tmp/aegra/bin/pip install "aegra-cli==0.11.*" -e .
    AEGRA_PYTHON=/tmp/aegra/bin/python pytest -m acceptance -n 0 tests/server/test_acceptance_aegra.py
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.server.databases import free_port
from tests.server.langgraph_dev import wait_until_healthy

__all__ = ["AegraServer", "aegra", "aegra_command"]

REPOSITORY = Path(__file__).parents[2]
LONGEST_START = 240.0


@dataclass(frozen=True)
class AegraServer:
    """A running server.

    Attributes:
        url: Its address.
        process: The process, which leads a group with the server that it starts.
        seconds_to_start: From the command to the first healthy answer.
    """

    url: str
    process: subprocess.Popen[bytes]
    seconds_to_start: float

    def kill(self) -> None:
        """Ends it without warning, as a machine that loses power does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)


def aegra_command() -> Path:
    """The command; the test is skipped where it isn't installed."""
    named = os.environ.get("AEGRA_PYTHON")
    found = shutil.which("aegra") if named is None else str(Path(named).with_name("aegra"))
    if found is None or not Path(found).is_file():
        pytest.skip("Aegra isn't installed: AEGRA_PYTHON=... names a Python 3.12 with aegra-cli 0.11 and this package")
    return Path(found)


@contextmanager
def aegra(command: Path, directory: Path, environment: Mapping[str, str]) -> Iterator[AegraServer]:
    """A server of this project's ``langgraph.json``, as it stands.

    Args:
        command: Aegra's.
        directory: For its log.
        environment: Variables beside those of the tests: ``DATABASE_URL`` at least.
    """
    port = free_port()
    log = directory / "aegra.log"
    began = time.monotonic()
    with log.open("ab") as written:
        process = subprocess.Popen(
            [str(command), "serve", "--host", "127.0.0.1", "--port", str(port)],
            cwd=REPOSITORY,
            env={**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}", **environment},
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_healthy(f"{url}/health", process, log, LONGEST_START)
        yield AegraServer(url, process, time.monotonic() - began)
    finally:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)
