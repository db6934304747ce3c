"""Bare LangGraph on models in the same process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.client import Ask
from benchmarks.contenders.bare_graph import asking, bare_graph, calling
from benchmarks.contenders.chat_models import InstantChatModel


@asynccontextmanager
async def contender(url: str) -> AsyncIterator[Ask]:
    yield asking(bare_graph(calling(InstantChatModel())))
