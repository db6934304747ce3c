"""Bare LangGraph whose nodes ask by aiohttp, without LangChain's models."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from benchmarks.client import Ask
from benchmarks.contenders.aiohttp_loop import calling
from benchmarks.contenders.bare_graph import asking, bare_graph


@asynccontextmanager
async def contender(url: str) -> AsyncIterator[Ask]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield asking(bare_graph(calling(session, url)))
