"""The simulator in a process of its own, on a core of its own."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.processes import SERVER, pin_to_core, processes
from moa_graph.models.simulation import Profile

__all__ = ["Server", "served"]


@dataclass(frozen=True)
class Server:
    """A simulator that runs elsewhere.

    Attributes:
        url: Its address.
    """

    url: str

    @property
    def base_url(self) -> str:
        """What clients of OpenAI's protocol take."""
        return f"{self.url}/v1"

    def totals(self) -> dict[str, Any]:
        """What it has counted since the last reset."""
        with urllib.request.urlopen(f"{self.url}/stats") as answer:
            totals: dict[str, Any] = json.load(answer)["total"]
        return totals

    def reset(self) -> None:
        """Begin counting anew."""
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/reset", method="POST")).close()


@contextmanager
def served(profiles: Mapping[str, Profile] | None = None) -> Iterator[Server]:
    """A simulator for the length of a ``with`` block.

    Args:
        profiles: Models by name; others are the simulator's own.
    """
    context = processes()
    here, there = context.Pipe()
    written = {name: profile.model_dump(mode="json") for name, profile in (profiles or {}).items()}
    process = context.Process(target=_serve, args=(there, written), daemon=True)
    process.start()
    try:
        yield Server(here.recv())
    finally:
        process.terminate()
        process.join()


def _serve(address: Connection, written: Mapping[str, Any]) -> None:
    from moa_graph.server.simulator import run

    pin_to_core(SERVER)
    run(0, {name: Profile.model_validate(fields) for name, fields in written.items()}, ready=address.send)
