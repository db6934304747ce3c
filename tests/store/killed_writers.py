"""Processes that put entries into one store and are killed while they do; prints what they reported as stored.

Usage: python -m tests.store.killed_writers FILE

An interpreter of its own, since forking needs a process without threads.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import random
import signal
import sys
from multiprocessing.connection import Connection, wait

from moa_graph.store import Entry, open_store

__all__ = ["written"]

AT_ONCE = 8
KILLS = 80
LONGEST_LIFE = 5
"""Reports after which a process is killed at the latest."""


def written(key: str) -> Entry:
    """The entry that belongs under ``key``: small, or so large that a kill is likely to come amid its writing."""
    number = int(key.rpartition("-")[2])
    text = f"{key} " * (200_000 if number % 2 else 1)
    return Entry(
        text=text,
        message={"content": key},
        usage={"input": 0, "output": number, "cached": 0},
        model="sim:a",
        created=float(number),
    )


async def write_until_killed(path: str, name: str, reports: Connection) -> None:
    """Puts entry after entry, and sends the key of each once it is stored."""
    store = open_store(path)
    for number in itertools.count():
        key = f"{name}-{number}"
        await store.backend.put(key, written(key))
        reports.send(key)


class Writer:
    """A process that is killed as soon as it has sent ``life`` reports."""

    def __init__(self, path: str, name: str, life: int) -> None:
        processes = multiprocessing.get_context("fork")
        self.reports, theirs = processes.Pipe(duplex=False)
        self.process = processes.Process(target=self._run, args=(path, name, theirs))
        self.process.start()
        theirs.close()
        self.life = life

    def _run(self, path: str, name: str, reports: Connection) -> None:
        asyncio.run(write_until_killed(path, name, reports))

    def next_key(self) -> str | None:
        """The next key that it reported; None once it is dead and everything it said is heard."""
        try:
            key: str = self.reports.recv()
        except (EOFError, OSError):  # OSError: killed amid a report
            self.reports.close()
            self.process.join()
            assert self.process.exitcode == -signal.SIGKILL
            return None
        self.life -= 1
        if self.life == 0:
            self.process.kill()
        return key


def write_and_kill(path: str) -> list[str]:
    """All keys that the processes reported, always eight of them at once."""
    chance = random.Random(1)
    to_come = [(str(name), chance.randint(1, LONGEST_LIFE)) for name in range(KILLS)]
    writers: dict[object, Writer] = {}
    keys: list[str] = []
    while to_come or writers:
        while to_come and len(writers) < AT_ONCE:
            writer = Writer(path, *to_come.pop())
            writers[writer.reports] = writer
        for reports in wait([writer.reports for writer in writers.values()]):
            key = writers[reports].next_key()
            if key is None:
                del writers[reports]
            else:
                keys.append(key)
    return keys


if __name__ == "__main__":
    print("\n".join(write_and_kill(sys.argv[1])))  # noqa: T201
