"""Processor time of a streamed token: 32 answers of 2,000 tokens at once, against OpenAI's SDK on aiohttp."""

from __future__ import annotations

from benchmarks.client import client, compare
from benchmarks.figure import Effort, Result, at_most
from benchmarks.models import STREAMED_TOKENS
from benchmarks.server import Server


def measure(effort: Effort, server: Server) -> list[Result]:
    names = {"sdk": "openai_stream", "mixture": "mixture_stream"}
    rounds = compare(
        {name: client(module, server.base_url) for name, module in names.items()},
        rounds=effort.scaled(7, 1),
        queries=32,
        at_once=32,
    )
    spent = {name: each.computed * 1e6 / STREAMED_TOKENS for name, each in rounds.items()}
    shown = f"{spent['mixture']:.1f} against {spent['sdk']:.1f} microseconds"
    figure = "CPU a streamed token at 32 at once against the openai SDK on aiohttp"
    return [at_most(1.0, figure, spent["mixture"] / spent["sdk"], "x", shown)]
