"""OpenAI's SDK on its aiohttp transport, streaming one long answer a query."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from openai import AsyncOpenAI, DefaultAioHttpClient

from benchmarks.client import Ask
from benchmarks.contenders.shape import STREAMED_MODEL


@asynccontextmanager
async def contender(url: str) -> AsyncIterator[Ask]:
    async with AsyncOpenAI(api_key="none", base_url=url, max_retries=0, http_client=DefaultAioHttpClient()) as openai:

        async def ask(question: str) -> str:
            stream = await openai.chat.completions.create(
                model=STREAMED_MODEL, messages=[{"role": "user", "content": question}], stream=True
            )
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

        yield ask
