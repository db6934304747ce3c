"""PostgreSQL and Redis on the loopback interface, for as long as a test needs them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

__all__ = ["free_port", "postgresql", "redis"]

LONGEST_START = 60


def free_port() -> int:
    """A port on the loopback interface that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextmanager
def postgresql() -> Iterator[str]:
    """The address of a PostgreSQL server; the test is skipped where PostgreSQL isn't installed."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL isn't installed: apt-get install postgresql")
    # Not below pytest's own directory, which is closed to other users: PostgreSQL refuses to run as root.
    home = Path(tempfile.mkdtemp(prefix="moa-pg-"))
    home.chmod(0o777)
    port = free_port()
    owned = Owned(home, ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else [])
    owned.run(programs / "initdb", "-D", home / "data", "-A", "trust", "-U", "tests", "--no-sync")
    options = f"-k {home} -c listen_addresses=127.0.0.1 -c fsync=off -p {port}"
    manage = [programs / "pg_ctl", "-D", home / "data", "-t", LONGEST_START, "-w"]
    owned.run(*manage, "-o", options, "-l", home / "log", "start")
    try:
        yield f"postgresql://tests@127.0.0.1:{port}/postgres"
    finally:
        owned.run(*manage, "-m", "immediate", "stop")
        shutil.rmtree(home)


class Owned:
    """Runs commands as the user who may own a PostgreSQL server.

    Their output goes to a file: a server that is started keeps its parent's output open, and whoever reads a pipe to
    its end would wait for the server's end.
    """

    def __init__(self, home: Path, as_owner: list[str]) -> None:
        self._output = home / "commands.log"
        self._as_owner = as_owner

    def run(self, *command: object) -> None:
        """Runs a command, and shows what it wrote if it fails."""
        with self._output.open("ab") as written:
            done = subprocess.run(
                [*self._as_owner, *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=LONGEST_START + 30,
            )
        assert done.returncode == 0, self._output.read_text()


def _programs() -> Path | None:
    found = shutil.which("pg_ctl")
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")) if found is None else [Path(found)]
    return places[-1].parent if places else None


@contextmanager
def redis() -> Iterator[str]:
    """The address of a Redis server; the test is skipped where Redis isn't installed."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("Redis isn't installed: apt-get install redis-server")
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, process)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + LONGEST_START
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with closing(socket.create_connection(("127.0.0.1", port), timeout=1)):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("Redis didn't start")
