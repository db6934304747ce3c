"""What the mixture adds to LangGraph itself, on models that take no time.

Counted in seconds that the process computes: models in the same process never wait, so these are the query's time on
a machine that does nothing else.
"""

from __future__ import annotations

from benchmarks.client import client, compare
from benchmarks.figure import Effort, Result, at_most
from benchmarks.server import Server


def measure(effort: Effort, server: Server) -> list[Result]:
    names = {"bare": "bare_graph_in_process", "mixture": "mixture_in_process"}
    spent = compare(
        {name: client(module, "") for name, module in names.items()},
        rounds=effort.scaled(15, 5),
        queries=effort.scaled(60, 25),
        at_once=1,
        of=lambda spent: spent.computed * 1000,
    )
    detail = f"{spent['mixture']:.2f} ms against {spent['bare']:.2f} ms"
    return [
        at_most(1.5, "overhead over bare LangGraph, per query", spent["mixture"] - spent["bare"], "ms", detail),
    ]
