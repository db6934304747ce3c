"""An asyncio loop on OpenAI's SDK and its own aiohttp transport."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from openai import AsyncOpenAI, DefaultAioHttpClient

from benchmarks.client import Ask
from benchmarks.contenders.sdk_loops import looping


@asynccontextmanager
async def contender(url: str) -> AsyncIterator[Ask]:
    transport = DefaultAioHttpClient(timeout=None)
    async with AsyncOpenAI(api_key="none", base_url=url, max_retries=0, http_client=transport) as openai:
        yield looping(openai)
