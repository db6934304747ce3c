"""An asyncio loop on aiohttp alone: the least that the 19 calls can take in Python."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp

from benchmarks.client import Ask
from benchmarks.contenders.shape import MAX_TOKENS, MODEL, TEMPERATURE, Message, by_hand

__all__ = ["calling", "contender"]


@asynccontextmanager
async def contender(url: str) -> AsyncIterator[Ask]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield by_hand(calling(session, url))


def calling(session: aiohttp.ClientSession, url: str) -> Callable[[list[Message]], Awaitable[str]]:
    """One call to the model."""
    headers = {"authorization": "Bearer none", "content-type": "application/json"}

    async def call(messages: list[Message]) -> str:
        asked = {"model": MODEL, "messages": messages, "temperature": TEMPERATURE, "max_tokens": MAX_TOKENS}
        body = json.dumps(asked).encode()
        async with session.post(f"{url}/chat/completions", data=body, headers=headers) as response:
            answer = json.loads(await response.read())
        return str(answer["choices"][0]["message"]["content"])

    return call
