"""The simulator and the clients that its tests meet it with."""

from __future__ import annotations

import time
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


def chat_openai(simulator: RunningSimulator, model: str, **settings: Any) -> BaseChatModel:
    return ChatOpenAI(model=model, base_url=simulator.base_url, api_key=KEY, max_retries=0, **settings)


def chat_together(simulator: RunningSimulator, model: str, **settings: Any) -> BaseChatModel:
    return ChatTogether(model=model, base_url=simulator.base_url, api_key=KEY, max_retries=0, **settings)


def asked(model: str = "instant", question: str = QUESTION, **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": question}], **fields}


async def post(simulator: RunningSimulator, body: dict[str, Any] | bytes, key: str | None = KEY) -> httpx.Response:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(f"{simulator.base_url}/chat/completions", headers=headers, **content)


def counts(simulator: RunningSimulator, model: str) -> dict[str, Any]:
    """The counts of one model, once nothing is in flight any more: the server is a thread of its own."""
    give_up = time.monotonic() + 2
    while True:
        found: dict[str, Any] = simulator.stats()["models"][model]
        if found["in_flight"] == 0 or time.monotonic() > give_up:
            return found
