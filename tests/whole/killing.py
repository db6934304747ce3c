"""Runs that are killed with ``kill -9`` at random moments, and then go on or are asked again.

python -m tests.whole.killing --rounds 200

Each round is a process of its own, killed, and a second one on the same files. What the first had saved when it was
killed is looked up before the second one runs: nothing of it may be asked for again, and the answer must be right. With
PostgreSQL installed (and ``pip install langgraph-checkpoint-postgres "psycopg[binary]"``), checkpoints are kept there
in a third of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from moa_graph import create_moa
from moa_graph.server.simulator import running_simulator
from tests.models.simulation_requests import instant

__all__ = ["KINDS", "Kind", "Round", "Tally", "rounds"]

MODELS = ("a", "b", "c", "w")


class Kind(NamedTuple):
    """What is kept where, and how."""

    kept_in: str
    closes: str
    durability: str


KINDS = [
    Kind(*one)
    for one in product(
        ("store .sqlite", "store .jsonl", "PostgreSQL checkpoints"), ("all", "quorum"), ("sync", "async")
    )
]


@dataclass
class Round:
    """One run that is killed, and the one after it.

    Args:
        kind: What is kept where.
        number: Of the round: its question and its thread.
        folder: Where its files are.
        model_url: The simulator's.
        postgres: Address of a database.
    """

    kind: Kind
    number: int
    folder: Path
    model_url: str
    postgres: str | None

    @property
    def config(self) -> Any:
        """The thread of this round."""
        return {"configurable": {"thread_id": str(self.folder)}}

    @property
    def question(self) -> Any:
        """A question with an answer that can be checked."""
        return {"messages": [("user", f"What is {self.number} + 1000?")]}

    @property
    def store_file(self) -> Path | None:
        """The calls' store, where there is one."""
        name = self.kind.kept_in
        return self.folder / f"calls{name.removeprefix('store ')}" if name.startswith("store") else None

    @asynccontextmanager
    async def saver(self) -> AsyncIterator[Any]:
        """The checkpointer."""
        if self.store_file is not None:
            async with AsyncSqliteSaver.from_conn_string(str(self.folder / "threads.sqlite")) as saver:
                yield saver
            return
        from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

        assert self.postgres is not None
        async with AsyncPostgresSaver.from_conn_string(self.postgres) as saver:
            await saver.setup()
            yield saver

    async def run(self, *, again: str | None = None) -> dict[str, Any]:
        """One run.

        Args:
            again: ``resume`` or ``ask`` after a kill.
        """
        models = {
            name: {"model": f"openai:{name}", "base_url": self.model_url, "key_variable": None} for name in MODELS
        }
        quorum = {"quorum": 2, "grace": 0.02} if self.kind.closes == "quorum" else {}
        stages = [{"propose": {"slots": ["a", "b", "c"], **quorum}}, {"aggregate": {"slot": "w"}}]
        graph = create_moa({"name": "killed", "models": models, "stages": stages}, store=self.store_file)
        told: dict[str, Any] = {}
        async with self.saver() as saver:
            compiled: Any = graph.compile(checkpointer=saver)
            if again is not None:
                told = await self._found(compiled, saver)
                if told["answered"]:
                    return told
            if told.get("nothing"):
                again = "ask"  # there is nothing to resume
            state = await compiled.ainvoke(
                None if again == "resume" else self.question, self.config, durability=self.kind.durability
            )
        report = state["report"]
        return {
            **told,
            "said": [message.type for message in state["messages"]],
            "answer": state["messages"][-1].text,
            "calls": report["calls"],
            "hits": report["hits"],
            "degraded": report["degraded"],
        }

    async def _found(self, compiled: Any, saver: Any) -> dict[str, Any]:
        """What the killed run had saved."""
        snapshot = await compiled.aget_state(self.config)
        saved = [one async for one in saver.alist(self.config)]
        live = {
            record["slot"]
            for one in saved
            for records in (
                one.checkpoint["channel_values"].get("records", []),
                *(value for _, channel, value in one.pending_writes or () if channel == "records"),
            )
            if isinstance(records, list)
            for record in records
            if record["status"] == "live"
        }
        answered = (snapshot.values.get("turn") or {}).get("status") == "answered"
        return {"slots": sorted(live), "answered": answered, "nothing": not saved, "stored": self._stored()}

    def _stored(self) -> list[str]:
        """The models whose calls are in the store."""
        if self.store_file is None or not self.store_file.exists():
            return []
        text = self.store_file.read_bytes()
        wal = Path(f"{self.store_file}-wal")
        text += wal.read_bytes() if wal.exists() else b""
        return [name for name in MODELS if f"openai:{name}".encode() in text]


@dataclass
class Tally:
    """What happened in the rounds of one kind."""

    rounds: int = 0
    killed_before_the_end: int = 0
    needed: int = 0
    repeated: int = 0
    most_repeated: int = 0
    lost: list[str] = field(default_factory=list)


def asked(model_url: str) -> dict[str, int]:
    """The simulator's own count of requests."""
    with urllib.request.urlopen(f"{model_url.removesuffix('/v1')}/stats") as answer:
        models = json.load(answer)["models"]
    return {name: models.get(name, {}).get("requests", 0) for name in MODELS}


def in_child(one: Round, again: str | None, file: Path) -> int:
    """Forks a process that runs the round, which takes no time for imports, and gives its number."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        file.write_text(json.dumps(asyncio.run(one.run(again=again))))
        code = 0
    except BaseException as error:
        file.write_text(json.dumps({"error": f"{type(error).__name__}: {error}"}))
    finally:
        os._exit(code)


def kill_and_go_on(one: Round, after: float, again: str, tally: Tally) -> float:
    """One round; gives how long the killed run had lived.

    Args:
        one: The round.
        after: Seconds until the kill.
        again: ``resume`` or ``ask``.
        tally: Where it is counted.
    """
    before = asked(one.model_url)
    began = time.monotonic()
    child = in_child(one, None, one.folder / "first.json")
    while time.monotonic() - began < after and os.waitpid(child, os.WNOHANG) == (0, 0):
        time.sleep(0.002)
    lived = time.monotonic() - began
    try:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    except (ProcessLookupError, ChildProcessError):
        pass  # it had ended
    between = asked(one.model_url)
    os.waitpid(in_child(one, again, one.folder / "second.json"), 0)
    total = asked(one.model_url)
    told = json.loads((one.folder / "second.json").read_text())
    first = {name: between[name] - before[name] for name in MODELS}
    second = {name: total[name] - between[name] for name in MODELS}
    _judge(one, told, first, second, tally)
    return lived


def _judge(one: Round, told: dict[str, Any], first: dict[str, int], second: dict[str, int], tally: Tally) -> None:
    tally.rounds += 1
    where = f"round {one.number} ({', '.join(one.kind)}): "
    if "error" in told:
        tally.lost.append(where + told["error"])
        return
    if told["answered"]:
        return
    tally.killed_before_the_end += 1
    if not told["answer"].rstrip(".").endswith(str(one.number + 1000)):
        tally.lost.append(f"{where}wrong answer {told['answer']!r}")
    if told["said"] != ["human", "ai"]:
        tally.lost.append(f"{where}the thread holds {told['said']}")
    if told["degraded"]:
        tally.lost.append(f"{where}degraded: {told['degraded']}")
    if paid_twice := [name for name in {*told["slots"], *told["stored"]} if second[name]]:
        tally.lost.append(f"{where}{paid_twice} had been saved and was asked again")
    again = sum(min(first[name], second[name]) for name in MODELS)
    tally.needed += len(MODELS)
    tally.repeated += again
    tally.most_repeated = max(tally.most_repeated, again)


def rounds(number: int, folder: Path, model_url: str, postgres: str | None, seed: int = 18) -> dict[Kind, Tally]:
    """Kills so many runs, of each kind in turn.

    Args:
        number: Of rounds.
        folder: For the files of all of them.
        model_url: The simulator's.
        postgres: Address of a database; None leaves those kinds out.
        seed: Of the moments.
    """
    import langchain_openai  # noqa: F401 - once, before all forks

    dice, tallies = random.Random(seed), defaultdict[Kind, Tally](Tally)
    kinds = [kind for kind in KINDS if postgres is not None or kind.kept_in.startswith("store")]
    whole = _seconds_of_a_run(Round(kinds[-1], number, folder / "whole", model_url, postgres))
    for index in range(number):
        one = Round(kinds[index % len(kinds)], index, folder / str(index), model_url, postgres)
        one.folder.mkdir()
        lived = kill_and_go_on(one, dice.uniform(0, whole), dice.choice(["resume", "ask"]), tallies[one.kind])
        ended = (one.folder / "first.json").exists()  # by itself, so that is how long one takes
        whole = 0.8 * whole + 0.2 * lived if ended else max(whole * 1.02, lived)
    return dict(tallies)


def _seconds_of_a_run(one: Round) -> float:
    one.folder.mkdir()
    began = time.monotonic()
    os.waitpid(in_child(one, None, one.folder / "first.json"), 0)
    return time.monotonic() - began


def serve(address: Any) -> None:
    """The models, in a process of its own: their answers take from 0.05 to 0.4 s."""
    waits = dict(zip(MODELS, (0.05, 0.15, 0.4, 0.2), strict=True))
    profiles = {
        name: instant(name, latency={"first_token": seconds, "tokens_a_second": None})
        for name, seconds in waits.items()
    }
    with running_simulator(profiles) as simulator:
        address.send(simulator.base_url)
        address.recv()


def table(tallies: dict[Kind, Tally]) -> Iterator[str]:
    """What happened, a line for each kind."""
    columns = ("kept in", "closes at", "durability", "rounds", "killed before the end", "calls repeated")
    yield f"| {' | '.join((*columns, 'most in one round', 'lost'))} |"
    yield f"|{' --- |' * 8}"
    for kind, tally in sorted(tallies.items()):
        repeated = f"{tally.repeated} of {tally.needed}"
        cells = (*kind, tally.rounds, tally.killed_before_the_end, repeated, tally.most_repeated, len(tally.lost))
        yield f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    """Kills and prints what happened."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=18)
    parser.add_argument("--postgres", help="Address of a database for the checkpoints, postgresql://...")
    options = parser.parse_args()
    os.environ.setdefault("OPENAI_API_KEY", "none")
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            tallies = rounds(options.rounds, Path(folder), ours.recv(), options.postgres, options.seed)
    finally:
        server.terminate()
    for line in table(tallies):
        sys.stdout.write(f"{line}\n")
    for tally in tallies.values():
        sys.stdout.writelines(f"{lost}\n" for lost in tally.lost)


if __name__ == "__main__":
    main()
