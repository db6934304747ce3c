"""Queries of 19 calls over HTTP beside every rival in its best form: processor time, and queries a second."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.client import Spent, client, compare
from benchmarks.figure import Effort, Result, at_least, at_most
from benchmarks.server import Server

AT_ONCE = {1: 0.45, 32: 0.35, 128: 0.35}
"""Queries at once -> what is to be reached against bare LangGraph on ``ChatOpenAI``."""

OURS, TUNED = "this package", "this package tuned"

RIVALS = {
    "LangGraph + ChatOpenAI": "bare_graph",
    "LangGraph + ChatOpenAI on aiohttp": "bare_graph_on_aiohttp",
    "LangGraph, nodes on aiohttp": "graph_on_aiohttp",
    "together loop": "together_loop",
    "openai loop": "openai_loop",
    "openai loop on aiohttp": "openai_on_aiohttp_loop",
    "ChatOpenAI loop": "chat_openai_loop",
    "aiohttp by hand": "aiohttp_loop",
}
"""Name -> module of ``benchmarks.contenders``."""

LEFT_OUT_AT_128 = {"together loop", "openai loop", "ChatOpenAI loop"}
"""Their stock transport looks at every connection for each call, so that a round of these takes minutes."""


def measure(effort: Effort, server: Server) -> list[Result]:
    results = []
    for at_once, goal in AT_ONCE.items():
        if effort.quick and at_once != 32:
            continue
        spent = _spent(effort, server, at_once)
        of = f"CPU a query, {at_once} at once"
        bare = _ratio(spent, OURS, "LangGraph + ChatOpenAI")
        results.append(at_most(goal, f"{of}, against LangGraph + ChatOpenAI", bare, "x", _shown(spent)))
        nodes = _ratio(spent, OURS, "LangGraph, nodes on aiohttp")
        results.append(at_most(2.0, f"{of}, against LangGraph with nodes on aiohttp", nodes, "x"))
        if at_once == 32:
            results += _against_together(of, spent)
    return results


def _against_together(of: str, spent: Mapping[str, Spent]) -> list[Result]:
    seconds = {name: each.wall for name, each in spent.items()}
    beside, throughput = "together loop", "queries a second, 32 at once, against"
    return [
        at_most(0.5, f"{of}, against the together loop, as a library", _ratio(spent, OURS, beside), "x"),
        at_most(0.4, f"{of}, against the same, process tuned as moa does", _ratio(spent, TUNED, beside), "x"),
        at_least(1.5, f"{throughput} LangGraph + ChatOpenAI", seconds["LangGraph + ChatOpenAI"] / seconds[OURS], "x"),
        at_least(0.8, f"{throughput} the together loop, as a library", seconds[beside] / seconds[OURS], "x"),
        at_least(1.0, f"{throughput} the same, process tuned as moa does", seconds[beside] / seconds[TUNED], "x"),
    ]


def _spent(effort: Effort, server: Server, at_once: int) -> dict[str, Spent]:
    """What each contender took for a query; every one has a process of its own, and they take turns."""
    url = server.base_url
    rivals = {name: module for name, module in RIVALS.items() if at_once < 128 or name not in LEFT_OUT_AT_128}
    return compare(
        {
            OURS: client("mixture", url),
            TUNED: client("mixture", url, tuned=True),
            **{name: client(module, url) for name, module in rivals.items()},
        },
        rounds=effort.scaled(7, 1),
        queries=max(at_once, 8),
        at_once=at_once,
    )


def _ratio(spent: Mapping[str, Spent], ours: str, rival: str) -> float:
    return spent[ours].computed / spent[rival].computed


def _shown(spent: Mapping[str, Spent]) -> str:
    return "; ".join(f"{name} {each.computed * 1000:.1f} ms, {1 / each.wall:.0f}/s" for name, each in spent.items())
