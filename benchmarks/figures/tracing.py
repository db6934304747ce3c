"""What LangSmith's traces cost the process that sends them, and whether every run arrives."""

from __future__ import annotations

from benchmarks.client import client, compare
from benchmarks.figure import Effort, Result, at_most, exactly
from benchmarks.ingest import ingest
from benchmarks.server import Server

RUNS_OF_ONE_QUERY = 1 + 2 + 3 + 2 * 19
"""The graph, its first and last node, the joins, and the 19 model calls with their nodes."""


def measure(effort: Effort, server: Server) -> list[Result]:
    queries, rounds = effort.scaled(64, 16), effort.scaled(5, 1)
    with ingest() as sent:
        on = {"LANGSMITH_TRACING": "true", "LANGSMITH_ENDPOINT": sent.url, "LANGSMITH_API_KEY": "none"}
        spent = compare(
            {
                "off": client("mixture", server.base_url),
                "on": client("mixture", server.base_url, variables=on),
            },
            rounds=rounds,
            queries=queries,
            at_once=32,
        )
        arrived = sent.runs()
    made = RUNS_OF_ONE_QUERY * (queries // 2 + queries * rounds)
    on_ms, off_ms = spent["on"].computed * 1000, spent["off"].computed * 1000
    shown = f"{on_ms:.1f} ms against {off_ms:.1f} ms"
    return [
        at_most(2.0, "CPU a query over HTTP with LangSmith tracing on against off", on_ms / off_ms, "x", shown),
        exactly(0, "runs that were dropped", made - arrived, "", f"of {made}"),
    ]
