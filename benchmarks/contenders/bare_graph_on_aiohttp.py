"""Bare LangGraph on ``ChatOpenAI`` with the SDK's aiohttp transport: the best form of a graph on LangChain's models."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from openai import DefaultAioHttpClient

from benchmarks.client import Ask
from benchmarks.contenders.bare_graph import asking, bare_graph, calling
from benchmarks.contenders.chat_models import chat_openai


@asynccontextmanager
async def contender(url: str) -> AsyncIterator[Ask]:
    async with DefaultAioHttpClient(timeout=None) as transport:
        yield asking(bare_graph(calling(chat_openai(url, http_async_client=transport))))
