"""How the cost of a call grows with the mixture, the prompt and the conversation, on models that take no time.

An exponent of 0 is a cost that stays the same: the slope of its logarithm over that of what grows. Each point is the
least of several rounds, taken in turn, since what disturbs a round only ever adds to it.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import linear_regression
from typing import Any
from uuid import uuid4

from langchain_core.messages import BaseMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from benchmarks.apart import apart
from benchmarks.contenders.chat_models import InstantChatModel
from benchmarks.figure import Effort, Result, at_most
from benchmarks.server import Server
from moa_graph import create_moa

PROPOSERS = (2, 6, 24, 96)
LAYERS = (1, 3, 10, 30)
SAMPLES = (1, 4, 16, 64)
PROMPT_BYTES = (1_000, 30_000, 1_000_000)
TURNS = 20
LONGEST_RECURSION = 1_000
"""Supersteps that LangGraph is to allow: thirty layers take more than it does by itself."""

Query = Callable[[], Awaitable[int]]
"""Asks once, and gives the number of calls that it took."""


def measure(effort: Effort, server: Server) -> list[Result]:
    rounds = effort.scaled(6, 3)
    results = []
    for name, series in (("proposers", PROPOSERS), ("layers", LAYERS), ("samples", SAMPLES), ("prompt", PROMPT_BYTES)):
        costs = apart(costs_over, name, series, rounds)
        shown = f"{costs[series[0]]:.2f} ms at {series[0]:,}, {costs[series[-1]]:.2f} ms at {series[-1]:,}"
        results.append(at_most(0.1, f"exponent of CPU a call over {name}", exponent(costs), "", shown))
    return results + _over_turns(apart(turns_of_a_thread, rounds))


def exponent(costs: Mapping[int, float]) -> float:
    """The power of what grows with which the cost does."""
    slope: float = linear_regression([math.log(size) for size in costs], [math.log(cost) for cost in costs.values()])[0]
    return slope


def _over_turns(turns: Sequence[Turn]) -> list[Result]:
    first, last = turns[0], turns[-1]
    costs = {number: turn.milliseconds for number, turn in enumerate(turns, 1)}
    shown = f"{first.milliseconds:.2f} ms in the first turn, {last.milliseconds:.2f} ms in turn {len(turns)}"
    size = f"{first.bytes:,} bytes in the first turn, {last.bytes:,} in turn {len(turns)}"
    of = f"checkpoints of turn {len(turns)} against the first's, beyond the conversation"
    return [
        at_most(0.1, "exponent of CPU a call over turns of a thread", exponent(costs), "", shown),
        at_most(1.5, f"bytes of the {of}", last.bytes / first.bytes, "x", size),
        at_most(1.5, f"time of the {of}", last.writing / first.writing, "x"),
    ]


async def costs_over(what: str, series: Sequence[int], rounds: int) -> dict[int, float]:
    """Milliseconds of CPU a call, for each size of what grows."""
    queries = {size: _query(what, size) for size in series}
    for query in queries.values():
        await query()
    costs: dict[int, float] = dict.fromkeys(series, math.inf)
    for size in itertools.chain.from_iterable(itertools.repeat(series, rounds)):
        costs[size] = min(costs[size], await _cost_of(queries[size]))
    return costs


async def _cost_of(query: Query) -> float:
    began, calls = time.process_time(), 0
    while calls < 60:
        calls += await query()
    return (time.process_time() - began) * 1000 / calls


def _query(what: str, size: int) -> Query:
    model, question = InstantChatModel(), "How should the team plan its releases?"
    slot: dict[str, Any] = {"model": model}
    proposers, layers = [slot] * 6, 1
    if what == "proposers":
        proposers = [slot] * size
    elif what == "layers":
        layers = size
    elif what == "samples":
        proposers = [{**slot, "samples": size}]
    else:
        question = "word " * (size // 5)
    graph = create_moa(proposers=proposers, aggregator=model, layers=layers + 1).compile()
    asked = {"messages": [{"role": "user", "content": question}]}

    async def query() -> int:
        state = await graph.ainvoke(asked, {"recursion_limit": LONGEST_RECURSION})
        return int(state["report"]["calls"])

    return query


@dataclass(frozen=True)
class Turn:
    """What one turn of a conversation took.

    Args:
        milliseconds: Of CPU a call.
        bytes: Of its checkpoints, without the conversation.
        writing: Seconds in which these were written.
    """

    milliseconds: float
    bytes: int
    writing: float


class CountingSerializer(JsonPlusSerializer):
    """Counts what is written beside the conversation, which grows with every turn of itself."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes, self.seconds = 0, 0.0

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        began = time.perf_counter()
        written = super().dumps_typed(obj)
        if not (isinstance(obj, list) and obj and isinstance(obj[0], BaseMessage)):
            self.seconds += time.perf_counter() - began
            self.bytes += len(written[1])
        return written


async def turns_of_a_thread(threads: int) -> list[Turn]:
    """Each turn of a conversation that is kept; of several such conversations, the least that it took."""
    model, written = InstantChatModel(), CountingSerializer()
    graph = create_moa(proposers=[model] * 6, aggregator=model).compile(checkpointer=InMemorySaver(serde=written))
    turns = [Turn(math.inf, 0, math.inf)] * TURNS
    for _ in range(threads + 1):
        config: Any = {"configurable": {"thread_id": str(uuid4())}}
        for number, least in enumerate(turns):
            asked = {"messages": [{"role": "user", "content": f"How should team number {number} plan its releases?"}]}
            written.bytes, written.seconds = 0, 0.0
            began = time.process_time()
            state = await graph.ainvoke(asked, config)
            spent = (time.process_time() - began) * 1000 / state["report"]["calls"]
            turns[number] = Turn(min(spent, least.milliseconds), written.bytes, min(written.seconds, least.writing))
    return turns
