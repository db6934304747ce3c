"""A batch as a person asks for it: which rows, which mixture, where to, and within which limits."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.messages import convert_to_messages

from moa_graph.batch.inputs import count_rows, fingerprint, input_files, read_rows
from moa_graph.batch.journal import Journal
from moa_graph.batch.outputs import open_output
from moa_graph.batch.purse import CountedStore, Need, Purse
from moa_graph.batch.results import Answered, answer_row
from moa_graph.batch.rows import BadRow, Row
from moa_graph.batch.runner import Limits, Progress, Runner
from moa_graph.batch.summary import Summary
from moa_graph.description import Budget
from moa_graph.errors import InputError, MixtureError
from moa_graph.graph import MoaGraph, create_moa
from moa_graph.mixture import Mixture
from moa_graph.models.catalogue import Member
from moa_graph.prepare import cannot_limit
from moa_graph.size import size_of
from moa_graph.store import Store, open_store

__all__ = ["Estimate", "Job", "arun", "estimate", "run"]

ROOM_FOR_RETRIES = 2
"""A row may take so many times what its calls need when nothing fails."""

ROWS_ESTIMATED = 200


@dataclass(frozen=True)
class Job:
    """What a batch is to do.

    Args:
        inputs: Files, folders or patterns: JSONL, CSV or Parquet, or OpenAI's batch format.
        output: File for the answers: .jsonl, .json, .csv or .parquet.
        mixture: A preset's name, a file's path, a :class:`Mixture`, or a graph of :func:`create_moa` without a store.
        usd: Most US dollars for all tries together; None is no limit. It is never passed, whatever is killed.
        calls: Most model requests for all tries together; None is no limit.
        deadline: Seconds for this try; None is no limit.
        concurrency: Rows in flight at once, fewer while a provider refuses calls.
        until_spent: Go on although the first rows tell that ``usd`` won't pay for all.
        ordered: Write the output in the input's order, once the batch has stopped.
        proposals: Tell in the output what each model proposed.
        form: What a line of the output looks like: rows, openai-batch, alpaca-eval, mt-bench, flask, synthetic-data.
        again: Ask rows that have failed before once more.
        limit: Only so many rows, from the first.
        store: Where calls are kept; default: a file beside the output.
    """

    inputs: Sequence[str | os.PathLike[str]]
    output: str | os.PathLike[str]
    mixture: str | Path | Mixture | Mapping[str, Any] | MoaGraph
    usd: float | None = None
    calls: int | None = None
    deadline: float | None = None
    concurrency: int = 16
    until_spent: bool = False
    ordered: bool = False
    proposals: bool = False
    form: str = "rows"
    again: bool = False
    limit: int | None = None
    store: str | Path | Store | None = None

    def graph(self) -> MoaGraph:
        """The mixture's graph.

        Raises:
            MixtureError: The mixture can't work, or what it costs can't be bounded.
        """
        graph = self.mixture if isinstance(self.mixture, MoaGraph) else create_moa(self.mixture)
        if self.usd is not None and (problem := cannot_limit(Budget(usd=self.usd), _members(graph))):
            raise MixtureError(f"{graph.mixture.name}: {problem}")
        return graph


@dataclass(frozen=True)
class Estimate:
    """What a batch would take, found without a call.

    Args:
        rows: In the input.
        bad: How many of them can't be asked, with the reasons of the first.
        calls: Requests, where nothing fails and no stage ends a run early.
        usd: The most that they may cost; None where a price or ``max_tokens`` isn't known.
    """

    rows: int
    bad: tuple[str, ...]
    calls: int
    usd: float | None


def run(
    inputs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    mixture: str | Path | Mixture | Mapping[str, Any] | MoaGraph,
    *,
    progress: Progress = lambda summary, done: None,
    **settings: Any,
) -> Summary:
    """Answers every row of the input; called again, it goes on where it stopped.

    Args:
        inputs: A file, folder or pattern, or several.
        output: File for the answers.
        mixture: What answers.
        progress: Told of each row that ended.
        settings: As for :class:`Job`.

    Raises:
        InputError: The input can't be read, or the journal belongs to another batch.
        MoaError: No row can be answered: a key is missing, or the mixture can't work.
    """
    return asyncio.run(arun(inputs, output, mixture, progress=progress, **settings))


async def arun(
    inputs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    mixture: str | Path | Mixture | Mapping[str, Any] | MoaGraph,
    *,
    progress: Progress = lambda summary, done: None,
    **settings: Any,
) -> Summary:
    """As :func:`run`, inside an event loop."""
    named = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    return await run_job(Job(named, output, mixture, **settings), progress)


async def run_job(job: Job, progress: Progress) -> Summary:
    """Runs a batch once."""
    files, output = _checked(job)
    facts = {"input": await asyncio.to_thread(fingerprint, files)}
    found = await asyncio.to_thread(count_rows, files)
    graph = job.graph()
    async with AsyncExitStack() as at_the_end:
        journal = at_the_end.enter_context(Journal(output.with_name(f"{output.name}.journal")))
        journal.bind({**_facts(job, graph), **facts})
        if job.again:
            journal.forget_failed()
        written = open_output(output, journal, job.form, graph.mixture.name, ordered=job.ordered)
        purse = Purse(journal, job.usd, job.calls)
        store = await _store(job, output, purse, graph, at_the_end)
        at_the_end.callback(setattr, graph.plan, "store", graph.plan.store)
        graph.plan.store = store
        compiled = graph.compile()

        async def ask(row: Row, need: Need | None) -> Answered:
            limits = {} if need is None else _within(need, job, row.options)
            return await answer_row(compiled, row, limits, proposals=job.proposals)

        def need_of(row: Row) -> Need:
            most = size_of(graph.plan, convert_to_messages(list(row.messages))).most
            turns = ROOM_FOR_RETRIES * (1 + len(row.later))
            return Need((most["calls"] or 0) * turns, (most["usd"] or 0.0) * turns)

        rows = found if job.limit is None else min(found, job.limit)
        limits = Limits(job.concurrency, job.deadline, job.until_spent)
        runner = Runner(ask, need_of, journal, written, purse, limits, rows, progress)
        return await runner.run(itertools.islice(read_rows(files), job.limit))


def estimate(job: Job) -> Estimate:
    """What a batch would take, without a call.

    Raises:
        InputError: The input can't be read.
        MixtureError: The mixture can't work.
    """
    files = input_files(job.inputs)
    graph = job.graph()
    priced = all(member.price is not None and member.settings.max_tokens is not None for member in _members(graph))
    rows, bad, calls, dollars, sized = 0, [], 0, 0.0, 0
    for row in itertools.islice(read_rows(files), job.limit):
        rows += 1
        if isinstance(row, BadRow):
            bad.append(f"{row.where}: {row.reason}")
        elif sized < ROWS_ESTIMATED:
            most = size_of(graph.plan, convert_to_messages(list(row.messages))).most
            calls += (most["calls"] or 0) * (1 + len(row.later))
            dollars += (most["usd"] or 0.0) * (1 + len(row.later))
            sized += 1
    share = (rows - len(bad)) / max(sized, 1)
    return Estimate(rows, tuple(bad), round(calls * share), dollars * share if priced else None)


def _members(graph: MoaGraph) -> list[Member]:
    """The models that the mixture may ask."""
    return [member for bound in graph.plan.stages for slot in bound.slots for member in slot.everyone]


def _checked(job: Job) -> tuple[list[Path], Path]:
    """The input's files, and the output's, which must be free or a batch's own."""
    files = input_files(job.inputs)
    output = Path(job.output).expanduser()
    if not output.parent.is_dir():
        raise InputError(f"{output}: there is no folder {output.parent}")
    if any(output.exists() and output.samefile(path) for path in files):
        raise InputError(f"{output} is an input too: name another file for the output")
    if output.exists() and not output.with_name(f"{output.name}.journal").exists():
        raise InputError(f"{output} is there already, and no journal beside it: name another file for the output")
    return files, output


def _facts(job: Job, graph: MoaGraph) -> dict[str, str]:
    """What tells this batch from another."""
    return {
        "mixture": f"{graph.mixture.name} {_hash(_described(graph))}",
        "format": job.form,
        "proposals": str(job.proposals),
    }


def _described(graph: MoaGraph) -> str:
    """The mixture as text, and who plays its parts; chat model objects by their class."""
    try:
        text = graph.mixture.to_text("json")
    except MixtureError:
        text = graph.mixture.name
    return json.dumps([text, [member.reference for member in _members(graph)]])


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


async def _store(job: Job, output: Path, purse: Purse, graph: MoaGraph, at_the_end: AsyncExitStack) -> Store:
    """Where calls are kept, counted where something is limited."""
    if isinstance(job.store, Store):
        store = job.store
    elif graph.plan.store is not None:
        store = graph.plan.store
    else:
        where = job.store or output.with_name(f"{output.name}.calls.sqlite")
        store = await at_the_end.enter_async_context(open_store(where))
    if not purse.is_limited:
        return store
    return CountedStore(store, purse, {member.reference: member.price for member in _members(graph)})


def _within(need: Need, job: Job, options: Mapping[str, Any]) -> dict[str, Any]:
    """A row's own limits: what it may need at most, or what it says itself."""
    limits: dict[str, Any] = {}
    if job.usd is not None:
        limits["usd"] = min(need.usd, options.get("usd") or need.usd)
    if job.calls is not None:
        limits["calls"] = min(need.calls, options.get("calls") or need.calls)
    return limits
