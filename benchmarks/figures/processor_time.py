"""Processor time of a query over HTTP, against every rival in its best form: 19 calls, the condition in each line."""

from __future__ import annotations

from benchmarks.client import client, compare
from benchmarks.figure import Effort, Result, at_most
from benchmarks.server import Server

AT_ONCE = {1: 0.45, 32: 0.35, 128: 0.35}
"""Queries at once -> what is to be reached against bare LangGraph on ``ChatOpenAI``."""


def measure(effort: Effort, server: Server) -> list[Result]:
    results = []
    for at_once, goal in AT_ONCE.items():
        if effort.quick and at_once != 32:
            continue
        spent = _spent(effort, server, at_once)
        shown = ", ".join(f"{name} {each:.1f} ms" for name, each in spent.items())
        of, ours = f"CPU a query at {at_once} at once", spent["this package"]
        results.append(at_most(goal, f"{of} against bare LangGraph", ours / spent["LangGraph"], "x", shown))
        if at_once == 32:
            together = spent["together loop"]
            results += [
                at_most(0.5, f"{of} against the together loop, as a library", ours / together, "x"),
                at_most(0.4, f"{of} against the same, process tuned as moa does", spent["tuned"] / together, "x"),
                at_most(2.0, f"{of} against LangGraph with nodes on aiohttp", ours / spent["on aiohttp"], "x"),
            ]
    return results


def _spent(effort: Effort, server: Server, at_once: int) -> dict[str, float]:
    """Milliseconds that each process computed for a query."""
    url = server.base_url
    contenders = {"this package": client("mixture", url), "LangGraph": client("bare_graph", url)}
    if at_once == 32:
        contenders |= {
            "tuned": client("mixture", url, tuned=True),
            "together loop": client("together_loop", url),
            "on aiohttp": client("graph_on_aiohttp", url),
            "openai on aiohttp": client("openai_on_aiohttp_loop", url),
            "aiohttp by hand": client("aiohttp_loop", url),
        }
    return compare(
        contenders,
        rounds=effort.scaled(7, 1),
        queries=effort.scaled(max(at_once, 16), max(at_once, 16)),
        at_once=at_once,
        of=lambda spent: spent.computed * 1000,
    )
