"""A soak: many runs at once for a long time, many of them cancelled, against a server of faults in its own process.

python -m tests.whole.soaking --minutes 60 --runs 500
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import multiprocessing
import os
import random
import resource
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moa_graph import create_moa
from moa_graph.calls.gate import Gate
from moa_graph.models.clients import of_running_loop
from moa_graph.server.simulator import running_simulator
from moa_graph.store import MemoryBackend, Store
from tests.models.simulation_requests import instant

__all__ = ["Sample", "Soak", "soaked"]

SETTLED_SECONDS = 60.0
"""After which the first sample is taken that the last is compared with."""

FAULTS: list[dict[str, Any]] = [
    {"kind": "status", "status": 429, "retry_after": 0.05, "probability": 0.06},
    {"kind": "status", "status": 500, "probability": 0.07},
    {"kind": "reset", "probability": 0.05},
    {"kind": "broken_stream", "probability": 0.05},
    {"kind": "malformed", "probability": 0.05},
    {"kind": "empty", "probability": 0.04},
    {"kind": "hang", "probability": 0.01},
]
"""A third of the calls."""


@dataclass(frozen=True)
class Sample:
    """What the process holds at one moment, and the longest that its event loop stood still since the last sample."""

    seconds: float
    descriptors: int
    tasks: int
    threads: int
    megabytes: float
    objects: int
    stored: int
    stall: float
    stall_on_cpu: float
    ended: dict[str, int]


class CountedEntries(MemoryBackend):
    """The store's entries, which stay in memory: their number explains how memory grows at first."""

    @property
    def count(self) -> int:
        return len(self._entries)


@dataclass
class Soak:
    """The runs, and what is measured of them."""

    runs: int
    entries: CountedEntries
    cancelled_share: float = 0.5
    samples: list[Sample] = field(default_factory=list)
    ended: Counter[str] = field(default_factory=Counter)
    stall: float = 0.0
    stall_on_cpu: float = 0.0
    stopping: bool = False
    sampling: float = 0.0
    sampling_on_cpu: float = 0.0

    def sample(self, began: float) -> Sample:
        """Measures now. The pause that this takes is the sampler's own, and no stall."""
        wall, busy = time.monotonic(), time.thread_time()
        one = self._measured(began)
        self.sampling += time.monotonic() - wall
        self.sampling_on_cpu += time.thread_time() - busy
        return one

    def _measured(self, began: float) -> Sample:
        gc.collect()
        descriptors = len(list(Path("/proc/self/fd").iterdir()))
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6
        one = Sample(
            time.monotonic() - began,
            descriptors,
            len(asyncio.all_tasks()),
            threading.active_count(),
            round(resident, 1),
            len(gc.get_objects()),
            self.entries.count,
            round(self.stall, 3),
            round(self.stall_on_cpu, 3),
            dict(self.ended),
        )
        self.stall = self.stall_on_cpu = 0.0
        self.samples.append(one)
        return one

    async def watch_the_loop(self) -> None:
        """Notes how late a timer is, and how much of that the loop's own thread was computing."""
        while not self.stopping:
            wall, busy = time.monotonic() - self.sampling, time.thread_time() - self.sampling_on_cpu
            await asyncio.sleep(0.05)
            self.stall = max(self.stall, time.monotonic() - self.sampling - wall - 0.05)
            self.stall_on_cpu = max(self.stall_on_cpu, time.thread_time() - self.sampling_on_cpu - busy)

    async def work(self, graph: Any, dice: random.Random) -> None:
        """One run after another, half of them given up by their clients."""
        while not self.stopping:
            run = asyncio.ensure_future(
                graph.ainvoke({"messages": [("user", f"What is {dice.randrange(9_999)} + 3?")]})
            )
            if dice.random() < self.cancelled_share:
                await asyncio.wait({run}, timeout=dice.random() * 20)
                run.cancel()
            try:
                state = await run
            except asyncio.CancelledError:
                self.ended["cancelled"] += 1
            except Exception as error:
                self.ended[type(error).__name__] += 1
            else:
                self.ended["degraded" if state["report"]["degraded"] else "answered"] += 1


def mixture(base_url: str, entries: CountedEntries) -> Any:
    """Three proposers and a writer at one address, with limits."""
    models = {name: {"model": f"openai:{name}", "base_url": base_url} for name in ("a", "b", "c")}
    stages: list[Any] = [
        {"propose": {"slots": ["a", "b", "c"], "quorum": 2, "grace": 0.2, "timeout": 60}},
        {"aggregate": {"slot": "a", "fallbacks": ["b"], "timeout": 60}},
    ]
    limits = {"openai": {"concurrency": 100}}
    return create_moa(
        {"name": "soak", "models": models, "stages": stages, "limits": limits}, store=Store(entries)
    ).compile()


async def soaked(base_url: str, runs: int, seconds: float, log: Path | None = None) -> Soak:
    """Keeps so many runs going for so long, lets all of them end, and measures once more."""
    entries = CountedEntries()
    soak, began, dice = Soak(runs, entries), time.monotonic(), random.Random(18)
    os.environ.setdefault("OPENAI_API_KEY", "none")
    graph = mixture(base_url, entries)
    watching = asyncio.create_task(soak.watch_the_loop())
    workers = [asyncio.create_task(soak.work(graph, random.Random(dice.random()))) for _ in range(runs)]
    due = SETTLED_SECONDS
    try:
        while time.monotonic() - began < seconds:
            await asyncio.sleep(min(due, seconds) - (time.monotonic() - began))
            one = soak.sample(began)
            due += SETTLED_SECONDS
            if log is not None:
                with log.open("a") as file:
                    file.write(json.dumps(vars(one)) + "\n")
    finally:
        soak.stopping = True  # workers go on after a cancellation, which is theirs to cause
    await asyncio.gather(*workers, watching)
    gates: list[Gate] = [one for one in of_running_loop()._made.values() if isinstance(one, Gate)]
    assert [(gate.pace.inside, [queue for queue in gate.queues() if queue.waiting]) for gate in gates] == [(0, [])]
    one = soak.sample(began)
    if log is not None:
        with log.open("a") as file:
            file.write(json.dumps({"after all runs have ended": vars(one)}) + "\n")
    return soak


def serve(address: Any) -> None:
    """The server of faults, in a process of its own."""
    profiles = {
        name: instant(name, latency={"first_token": 0.3, "tokens_a_second": 400}, faults=FAULTS) for name in "abc"
    }
    with running_simulator(profiles) as simulator:
        address.send(simulator.base_url)
        address.recv()


def main() -> None:
    """Runs a soak and prints what it measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--log", type=Path)
    options = parser.parse_args()
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    try:
        soak = asyncio.run(soaked(ours.recv(), options.runs, options.minutes * 60, options.log))
    finally:
        server.terminate()
    for one in soak.samples:
        sys.stdout.write(f"{vars(one)}\n")


if __name__ == "__main__":
    main()
