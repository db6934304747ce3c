"""A batch as requested: which rows, which mixture, which output, and which limits."""

from __future__ import annotations

import asyncio
import functools
import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from anyio.from_thread import start_blocking_portal
from langchain_core.messages import convert_to_messages

from moa_graph.batch.inputs import input_files, read_rows
from moa_graph.batch.rows import BadRow
from moa_graph.batch.runner import OnProgress
from moa_graph.batch.summary import Summary
from moa_graph.description import Budget
from moa_graph.errors import MixtureError
from moa_graph.graph import MoaGraph, create_moa
from moa_graph.interruptible import run as run_interruptibly
from moa_graph.mixture import Mixture
from moa_graph.prepare import cannot_limit
from moa_graph.size import size_of
from moa_graph.store import Store

__all__ = ["Estimate", "Job", "arun", "estimate", "run"]

ROOM_FOR_RETRIES = 2
"""A row may take this many times what its calls need when nothing fails."""

ROWS_ESTIMATED = 200


@dataclass(frozen=True)
class Job:
    """What a batch does.

    Args:
        inputs: Files, folders or patterns: JSONL, CSV or Parquet, or OpenAI's batch format.
        output: File for the answers: .jsonl, .json, .csv or .parquet.
        mixture: A preset's name, a file's path, a :class:`Mixture`, or a graph of :func:`create_moa` without a store.
        usd: Budget in US dollars, over all runs; None is no limit. It is never exceeded, whatever is killed.
        calls: Limit of model requests, over all runs of the batch; None is no limit.
        deadline: Seconds for this run; None is no limit.
        concurrency: Rows in flight at once, fewer while a provider refuses calls.
        until_spent: Continue although the first rows show that ``usd`` won't pay for all.
        ordered: Write the output in the input's order, once the batch has stopped.
        proposals: Include each model's proposal in the output.
        format: What a line of the output looks like: rows, openai-batch, alpaca-eval, mt-bench, flask, synthetic-data.
        again: Ask rows that have failed before once more.
        limit: Only the first so many rows.
        store: Where calls are stored; default: a file beside the output.
        engine: Where rows are answered: here, or by actors on a Ray cluster.
        actors: Number of actors; each has ``concurrency`` rows in flight.
        provider_batch: Use the providers' own batch jobs, layer by layer: half the price, and up to a day for each
            layer.
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
    format: str = "rows"
    again: bool = False
    limit: int | None = None
    store: str | Path | Store | None = None
    engine: Literal["local", "ray"] = "local"
    actors: int = 2
    provider_batch: bool = False

    def graph(self) -> MoaGraph:
        """The mixture's graph.

        Raises:
            MixtureError: The mixture can't work, or its cost can't be bounded.
        """
        graph = self.mixture if isinstance(self.mixture, MoaGraph) else create_moa(self.mixture)
        if self.usd is not None and (problem := cannot_limit(Budget(usd=self.usd), graph.plan.everyone)):
            raise MixtureError(f"{graph.mixture.name}: {problem}")
        return graph


@dataclass(frozen=True)
class Estimate:
    """What a batch would take, found without making a call.

    Args:
        rows: Rows in the input.
        bad: How many of them are unusable, with the reasons for the first few.
        calls: Requests, if nothing fails and no stage ends a run early.
        usd: The most that they may cost; None where a price or ``max_tokens`` is unknown.
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
    progress: OnProgress = lambda summary, done: None,
    **settings: Any,
) -> Summary:
    """Answers every row of the input; called again, it resumes where it stopped.

    Args:
        inputs: A file, folder or pattern, or several.
        output: File for the answers.
        mixture: The mixture that answers.
        progress: Called with each finished row.
        settings: As for :class:`Job`.

    Raises:
        InputError: The input can't be read, or the journal belongs to another batch.
        MoaError: No row can be answered: a key is missing, or the mixture can't work.
    """
    batch = functools.partial(arun, inputs, output, mixture, progress=progress, **settings)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run_interruptibly(batch())
    with start_blocking_portal() as portal:  # in a notebook a loop is running already
        return portal.call(batch)


async def arun(
    inputs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    mixture: str | Path | Mixture | Mapping[str, Any] | MoaGraph,
    *,
    progress: OnProgress = lambda summary, done: None,
    **settings: Any,
) -> Summary:
    """As :func:`run`, inside an event loop."""
    from moa_graph.batch.work import run_job

    named = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    return await run_job(Job(named, output, mixture, **settings), progress)


def estimate(job: Job) -> Estimate:
    """What a batch would take, without making a call.

    Raises:
        InputError: The input can't be read.
        MixtureError: The mixture can't work.
    """
    files = input_files(job.inputs)
    graph = job.graph()
    priced = all(member.price is not None and member.settings.max_tokens is not None for member in graph.plan.everyone)
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
