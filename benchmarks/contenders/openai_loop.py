"""An asyncio loop on OpenAI's SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from openai import AsyncOpenAI

from benchmarks.client import Ask
from benchmarks.contenders.sdk_loops import looping


@asynccontextmanager
async def contender(url: str) -> AsyncIterator[Ask]:
    async with AsyncOpenAI(api_key="none", base_url=url, max_retries=0) as openai:
        yield looping(openai)
