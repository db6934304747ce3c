"""Bare LangGraph whose nodes ask nobody: what the graph itself takes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.client import Ask
from benchmarks.contenders.bare_graph import asking, bare_graph
from benchmarks.contenders.chat_models import ANSWER
from benchmarks.contenders.shape import Message


@asynccontextmanager
async def contender(url: str) -> AsyncIterator[Ask]:
    async def answer(messages: list[Message]) -> str:
        return ANSWER

    yield asking(bare_graph(answer))
