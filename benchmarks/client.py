"""A contender at work in a process of its own, asked for one round after another."""

from __future__ import annotations

import asyncio
import importlib
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from statistics import median

from langchain_core.tracers.langchain import wait_for_all_tracers

from benchmarks.processes import CLIENT, pin_to_core, processes

__all__ = ["Ask", "Client", "Contender", "Spent", "client", "compare"]

Ask = Callable[[str], Awaitable[str]]
"""One query: a question in, the mixture's answer out."""

Contender = Callable[[str], AbstractAsyncContextManager[Ask]]
"""What a module of ``benchmarks.contenders`` offers as ``contender``: given the server's address, a way to ask."""


@dataclass(frozen=True)
class Spent:
    """What a round took, a query.

    Args:
        wall: Seconds on the clock.
        computed: Seconds that the process computed.
    """

    wall: float
    computed: float


class Client:
    """Runs rounds in its process.

    Args:
        pipe: The way to it.
    """

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def round(self, queries: int, at_once: int = 1) -> Spent:
        """Asks so many queries, so many of them at the same time."""
        self._pipe.send((queries, at_once))
        spent = self._pipe.recv()
        if isinstance(spent, str):
            raise RuntimeError(spent)
        assert isinstance(spent, Spent)
        return spent


@contextmanager
def client(name: str, url: str, *, tuned: bool = False, variables: Mapping[str, str] | None = None) -> Iterator[Client]:
    """A contender in a new process.

    Args:
        name: Module of ``benchmarks.contenders``.
        url: The server's address.
        tuned: Whether the process is tuned as the command ``moa`` tunes its own.
        variables: Environment variables to add.
    """
    context = processes()
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(there, name, url, tuned, dict(variables or {})), daemon=True)
    process.start()
    there.close()
    try:
        yield Client(here)
    finally:
        here.close()
        process.join(20)
        process.terminate()


def compare(
    contenders: Mapping[str, AbstractContextManager[Client]],
    *,
    rounds: int,
    queries: int,
    at_once: int,
) -> dict[str, Spent]:
    """The median over rounds that the contenders run in turn, so that what disturbs one disturbs all.

    Args:
        contenders: Clients by name.
        rounds: Of each, after one that doesn't count.
        queries: In one round.
        at_once: Queries at the same time.
    """
    with ExitStack() as stack:
        clients = {name: stack.enter_context(each) for name, each in contenders.items()}
        found: dict[str, list[Spent]] = {name: [] for name in clients}
        for each in clients.values():
            each.round(max(queries // 2, 1), at_once)
        for _ in range(rounds):
            for name, each in clients.items():
                found[name].append(each.round(queries, at_once))
    return {
        name: Spent(median(one.wall for one in spent), median(one.computed for one in spent))
        for name, spent in found.items()
    }


def _work(pipe: Connection, name: str, url: str, tuned: bool, variables: Mapping[str, str]) -> None:
    os.environ.update(variables)
    pin_to_core(CLIENT)
    factory = None
    if tuned:
        from moa_graph.cli.tuning import tuned_loop_factory

        factory = tuned_loop_factory()
    contender: Contender = importlib.import_module(f"benchmarks.contenders.{name}").contender
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_serve_rounds(pipe, contender, url))


async def _serve_rounds(pipe: Connection, contender: Contender, url: str) -> None:
    async with contender(url) as ask:
        while True:
            try:
                queries, at_once = pipe.recv()
            except EOFError:
                return
            try:
                pipe.send(await _one_round(ask, queries, at_once))
            except Exception as error:
                pipe.send(f"{type(error).__name__}: {error}")


async def _one_round(ask: Ask, queries: int, at_once: int) -> Spent:
    questions = iter([f"How should team number {number} plan its releases?" for number in range(queries)])
    wall, computed = time.perf_counter(), time.process_time()
    await asyncio.gather(*(_ask_all(ask, questions) for _ in range(at_once)))
    if os.environ.get("LANGSMITH_TRACING") == "true":
        wait_for_all_tracers()  # what it still has to send is this round's work
    return Spent((time.perf_counter() - wall) / queries, (time.process_time() - computed) / queries)


async def _ask_all(ask: Ask, questions: Sequence[str] | Iterator[str]) -> None:
    for question in questions:
        answer = await ask(question)
        if not answer:
            raise RuntimeError("an answer is empty")
