"""A job being run: its mixture, its journal, its limits, and how its rows are answered."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

from langchain_core.messages import convert_to_messages

from moa_graph.batch.inputs import count_rows, fingerprint, input_files, read_rows
from moa_graph.batch.job import Job
from moa_graph.batch.journal import Journal
from moa_graph.batch.outputs import OutputFile, open_output
from moa_graph.batch.purse import CountedStore, Need, Purse
from moa_graph.batch.results import Answered, answer_row
from moa_graph.batch.rows import Row
from moa_graph.batch.runner import AnswerRow, BatchLimits, OnProgress, RowRunner
from moa_graph.batch.summary import Summary
from moa_graph.errors import InputError, MixtureError
from moa_graph.graph import Compiled, MoaGraph
from moa_graph.size import size_of
from moa_graph.store import Store, open_store

__all__ = ["run_job"]

ROOM_FOR_RETRIES = 2
"""A row may take this many times what its calls need when nothing fails."""


async def run_job(job: Job, progress: OnProgress, say: Callable[[str], None] = lambda text: None) -> Summary:
    """Runs a batch once.

    Args:
        job: The job.
        progress: Called with each finished row.
        say: Called with a line about each job at a provider.
    """
    files, output = _checked(job)
    contents = await asyncio.to_thread(fingerprint, files)
    rows = await asyncio.to_thread(count_rows, files)
    graph = job.graph()
    async with AsyncExitStack() as at_the_end:
        journal = at_the_end.enter_context(Journal(output.with_name(f"{output.name}.journal")))
        journal.bind({**_facts(job, graph), "input": contents})
        if job.again:
            journal.forget_failed()
        purse = Purse(journal, job.usd, job.calls)
        at_the_end.callback(setattr, graph.plan, "store", graph.plan.store)
        store = graph.plan.store = await _store(job, output, purse, graph, at_the_end)
        written = open_output(output, journal, job.format, graph.mixture.name, ordered=job.ordered)
        work = JobContext(job, files, graph, journal, written, purse, rows, progress)
        if job.engine == "ray":
            return await work.once(at_the_end.enter_context(_on_ray(job, output, graph, purse)))
        if not job.provider_batch:
            return await work.once(work.ask)
        from moa_graph.batch.layers import layer_by_layer  # it takes OpenAI's SDK a second to be imported

        return await layer_by_layer(work, journal, output, store, say)


class JobContext:
    """What every pass over the rows of a job shares."""

    def __init__(
        self,
        job: Job,
        files: Sequence[Path],
        graph: MoaGraph,
        journal: Journal,
        output: OutputFile,
        purse: Purse,
        rows: int,
        progress: OnProgress,
    ) -> None:
        self.job = job
        self.graph = graph
        self.purse = purse
        self._files = files
        self._journal = journal
        self._output = output
        self._rows = rows if job.limit is None else min(rows, job.limit)
        self._progress = progress
        self._compiled: Compiled = graph.compile()

    async def once(self, ask: AnswerRow) -> Summary:
        """One pass over the unfinished rows."""
        job = self.job
        at_once = job.concurrency * (job.actors if job.engine == "ray" else 1)
        limits = BatchLimits(at_once, job.deadline, job.until_spent)
        runner = RowRunner(
            ask, self.need_of, self._journal, self._output, self.purse, limits, self._rows, self._progress
        )
        return await runner.run(itertools.islice(read_rows(self._files), self.job.limit))

    async def ask(self, row: Row, need: Need | None) -> Answered:
        """Answers a row within what it may need."""
        limits = {} if need is None else _within(need, self.job, row.options)
        return await answer_row(self.graph, self._compiled, row, limits, proposals=self.job.proposals)

    def need_of(self, row: Row) -> Need:
        """The most that a row may take, retries included."""
        most = size_of(self.graph.plan, convert_to_messages(list(row.messages))).most
        times = ROOM_FOR_RETRIES * (1 + len(row.later))
        return Need((most["calls"] or 0) * times, (most["usd"] or 0.0) * times)


@contextmanager
def _on_ray(job: Job, output: Path, graph: MoaGraph, purse: Purse) -> Iterator[AnswerRow]:
    """How actors answer rows. What a row may cost is recorded before it is sent, and what it did cost afterwards."""
    from moa_graph.batch.ray_engine import Actors

    if isinstance(job.store, Store):
        raise InputError("engine='ray' needs the store's file name: an open store can't be shared with other processes")
    path = Path(job.store or output.with_name(f"{output.name}.calls.sqlite")).resolve()
    actors = Actors(graph, str(path), job.actors, job.concurrency)

    async def ask(row: Row, need: Need | None) -> Answered:
        limits = {} if need is None else _within(need, job, row.options)
        if need is None:
            return await actors.answer(row, limits, proposals=job.proposals)
        number = purse.intend(need)
        done = await actors.answer(row, limits, proposals=job.proposals)
        if done.result["status"] == "answered" and done.result["usd"] is not None:
            purse.settle(number, need, Need(done.result["calls"], done.result["usd"]))
        return done

    try:
        yield ask
    finally:
        actors.close()


def _checked(job: Job) -> tuple[list[Path], Path]:
    """The input's files, and the output's, which must be new or belong to this batch."""
    files = input_files(job.inputs)
    output = Path(job.output).expanduser()
    if not output.parent.is_dir():
        raise InputError(f"{output}: there is no folder {output.parent}")
    if any(output.exists() and output.samefile(path) for path in files):
        raise InputError(f"{output} is also an input: name another file for the output")
    if output.exists() and not output.with_name(f"{output.name}.journal").exists():
        raise InputError(f"{output} already exists without a journal beside it: name another file for the output")
    return files, output


def _facts(job: Job, graph: MoaGraph) -> dict[str, str]:
    """What distinguishes this batch from others."""
    return {
        "mixture": f"{graph.mixture.name} {_hash(_described(graph))}",
        "format": job.format,
        "proposals": str(job.proposals),
    }


def _described(graph: MoaGraph) -> str:
    """The mixture as text, and who plays its parts; chat model objects by their class."""
    try:
        text = graph.mixture.to_text("json")
    except MixtureError:
        text = graph.mixture.name
    return json.dumps([text, [member.reference for member in graph.plan.everyone]])


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


async def _store(job: Job, output: Path, purse: Purse, graph: MoaGraph, at_the_end: AsyncExitStack) -> Store:
    """Where calls are stored, and counted if something is limited."""
    if isinstance(job.store, Store):
        store = job.store
    elif graph.plan.store is not None:
        store = graph.plan.store
    else:
        where = job.store or output.with_name(f"{output.name}.calls.sqlite")
        store = await at_the_end.enter_async_context(open_store(where))
    store.unwritten = None  # what failed in an earlier run is tried anew
    if not purse.is_limited:
        return store
    return CountedStore(store, purse, {member.reference: member.price for member in graph.plan.everyone})


def _within(need: Need, job: Job, options: Mapping[str, Any]) -> dict[str, Any]:
    """A row's own limits: what it may need at most, or what it says itself."""
    limits: dict[str, Any] = {}
    if job.usd is not None and need.usd:  # models that cost nothing need no limit
        limits["usd"] = min(need.usd, options.get("usd") or need.usd)
    if job.calls is not None:
        limits["calls"] = min(need.calls, options.get("calls") or need.calls)
    return limits
