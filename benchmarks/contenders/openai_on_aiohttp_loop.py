"""An asyncio loop on OpenAI's SDK and its own aiohttp transport."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from openai import AsyncOpenAI, DefaultAioHttpClient

from benchmarks.client import Ask
from benchmarks.contenders.shape import MAX_TOKENS, MODEL, TEMPERATURE, Message, by_hand


@asynccontextmanager
async def contender(url: str) -> AsyncIterator[Ask]:
    transport = DefaultAioHttpClient(timeout=None)
    async with AsyncOpenAI(api_key="none", base_url=url, max_retries=0, http_client=transport) as openai:

        async def call(messages: list[Message]) -> str:
            answer = await openai.chat.completions.create(
                model=MODEL,
                messages=messages,  # type: ignore[arg-type]
                temperature=TEMPERATURE,
                max_tokens=MAX_TOKENS,
            )
            return str(answer.choices[0].message.content)

        yield by_hand(call)
