"""An asyncio loop on LangChain's ``ChatOpenAI``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.client import Ask
from benchmarks.contenders.chat_models import chat_openai
from benchmarks.contenders.shape import Message, by_hand


@asynccontextmanager
async def contender(url: str) -> AsyncIterator[Ask]:
    model = chat_openai(url)

    async def call(messages: list[Message]) -> str:
        return str((await model.ainvoke(messages)).text)

    yield by_hand(call)
