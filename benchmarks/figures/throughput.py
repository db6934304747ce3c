"""32 queries at once over HTTP: this package against what people would write by hand."""

from __future__ import annotations

from benchmarks.client import client, compare
from benchmarks.figure import Effort, Result, at_least
from benchmarks.server import Server


def measure(effort: Effort, server: Server) -> list[Result]:
    url = server.base_url
    contenders = {
        "mixture": client("mixture", url),
        "tuned": client("mixture", url, tuned=True),
        "bare LangGraph": client("bare_graph", url),
        "together loop": client("together_loop", url),
    }
    if not effort.quick:
        contenders["openai loop"] = client("openai_loop", url)
        contenders["ChatOpenAI loop"] = client("chat_openai_loop", url)
    seconds = compare(
        contenders,
        rounds=effort.scaled(5, 1),
        queries=effort.scaled(64, 32),
        at_once=32,
        of=lambda spent: spent.wall,
    )
    ours, tuned = seconds["mixture"], seconds["tuned"]
    shown = ", ".join(f"{name} {1 / each:.0f}/s" for name, each in seconds.items())
    return [
        at_least(1.5, "throughput at 32 against bare LangGraph", seconds["bare LangGraph"] / ours, "x", shown),
        at_least(0.8, "throughput at 32 against the together loop, as a library", seconds["together loop"] / ours, "x"),
        at_least(1.0, "the same with the process tuned as moa does", seconds["together loop"] / tuned, "x"),
    ]
