"""This package's aggregator, streaming one long answer a query."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.client import Ask
from benchmarks.contenders.shape import STREAMED_MODEL
from moa_graph import create_moa


@asynccontextmanager
async def contender(url: str) -> AsyncIterator[Ask]:
    model = {"model": f"openai:{STREAMED_MODEL}", "base_url": url}
    graph = create_moa({"name": "streamed", "models": {"m": model}, "stages": [{"aggregate": {"slot": "m"}}]}).compile()

    async def ask(question: str) -> str:
        asked = {"messages": [{"role": "user", "content": question}]}
        stream: Any = graph.astream(asked, stream_mode="messages")
        return "".join([message.text async for message, _ in stream])

    yield ask
