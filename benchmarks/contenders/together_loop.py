"""An asyncio loop on Together's SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from together import AsyncTogether

from benchmarks.client import Ask
from benchmarks.contenders.sdk_loops import looping


@asynccontextmanager
async def contender(url: str) -> AsyncIterator[Ask]:
    async with AsyncTogether(api_key="none", base_url=url.removesuffix("/v1"), max_retries=0) as together:
        yield looping(together)
