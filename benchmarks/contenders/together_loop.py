"""An asyncio loop on Together's SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from together import AsyncTogether

from benchmarks.client import Ask
from benchmarks.contenders.shape import MAX_TOKENS, MODEL, TEMPERATURE, Message, by_hand


@asynccontextmanager
async def contender(url: str) -> AsyncIterator[Ask]:
    async with AsyncTogether(api_key="none", base_url=url.removesuffix("/v1"), max_retries=0) as together:

        async def call(messages: list[Message]) -> str:
            answer = await together.chat.completions.create(
                model=MODEL,
                messages=cast(Any, messages),
                temperature=TEMPERATURE,
                max_tokens=MAX_TOKENS,
            )
            message = answer.choices[0].message
            return "" if message is None else str(message.content)

        yield by_hand(call)
