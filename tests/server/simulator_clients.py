"""The simulator and the clients that its tests meet it with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import openai
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from langchain_together import ChatTogether

from moa_graph.models.simulation import Profile
from moa_graph.server.simulator import RunningSimulator
from tests.models.simulation_requests import instant

KEY = "simulated-key"
QUESTION = "What is 17 * 24 + 3?"
ANSWER = "Answer: 411"


def profiles(**faults: dict[str, Any]) -> dict[str, Profile]:
    """Instant profiles, each with one fault, at a price of 1 and 2 dollars a million tokens."""
    return {name: instant(name, faults=[fault], price={"input": 1, "output": 2}) for name, fault in faults.items()}


def sdk(simulator: RunningSimulator, **settings: Any) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(**{"base_url": simulator.base_url, "api_key": KEY, "max_retries": 0, **settings})


Ask = Callable[..., BaseChatModel]
"""Makes a chat model of one SDK for a simulated model: ``ask("instant", temperature=0.5)``."""

CHAT_MODELS: list[type[BaseChatModel]] = [ChatOpenAI, ChatTogether]


@asynccontextmanager
async def asking(simulator: RunningSimulator, chat_model: type[BaseChatModel]) -> AsyncIterator[Ask]:
    """Chat models with connections of their own: LangChain's shared ones outlive a test's event loop."""
    async with openai.DefaultAsyncHttpxClient(trust_env=False) as client:
        settings = {"base_url": simulator.base_url, "api_key": KEY, "max_retries": 0, "http_async_client": client}

        def make(model: str, **more: Any) -> BaseChatModel:
            return chat_model(**{"model": model, **settings, **more})

        yield make


def asked(model: str = "instant", question: str = QUESTION, /, **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": question}], **fields}


async def post(simulator: RunningSimulator, body: dict[str, Any] | bytes, key: str | None = KEY) -> httpx.Response:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(f"{simulator.base_url}/chat/completions", headers=headers, **content)


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what the server's thread is about to do, for a second at most."""
    async with asyncio.timeout(1):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def counts(simulator: RunningSimulator, model: str) -> dict[str, Any]:
    """The counts of one model once nothing is in flight any more: the server may still be finishing."""
    await until(lambda: simulator.stats()["models"][model]["in_flight"] == 0)
    found: dict[str, Any] = simulator.stats()["models"][model]
    return found
