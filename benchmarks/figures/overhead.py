"""What the mixture adds to LangGraph itself, on models that take no time.

Counted in seconds that the process computes: models in the same process never wait, so these are the query's time on
a machine that does nothing else.
"""

from __future__ import annotations

from benchmarks.client import client, compare
from benchmarks.figure import Effort, Result, at_most
from benchmarks.server import Server


def measure(effort: Effort, server: Server) -> list[Result]:
    names = {"asking": "bare_graph_in_process", "free": "graph_of_free_nodes", "mixture": "mixture_in_process"}
    spent = compare(
        {name: client(module, "") for name, module in names.items()},
        rounds=effort.scaled(15, 5),
        queries=effort.scaled(60, 25),
        at_once=1,
    )
    asking, free, mixture = (spent[name].computed * 1000 for name in names)
    of = "overhead over bare LangGraph, per query of 19 calls in one process"
    return [
        at_most(1.5, f"{of}, its nodes asking a chat model", mixture - asking, "ms", _shown(mixture, asking)),
        at_most(5, f"{of}, its nodes asking nobody", mixture - free, "ms", _shown(mixture, free)),
    ]


def _shown(mixture: float, bare: float) -> str:
    return f"{mixture:.2f} ms against {bare:.2f} ms"
