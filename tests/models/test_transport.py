"""SDKs are given the fastest client that they take, and it behaves as their own does."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import openai
import pytest

from moa_graph.description import ModelSettings
from moa_graph.models import transport
from moa_graph.models.build import build
from moa_graph.models.clients import LoopClients, of_running_loop
from moa_graph.models.transport import open_transport
from tests.loopback import Asked, Reply, completion, loopback

MORE_THAN_AIOHTTP_ALLOWS = 150
"""Connections; without being told otherwise, aiohttp opens 100."""


async def ask(url: str, clients: LoopClients | None = None, **settings: Any) -> str:
    described = ModelSettings.model_validate({"model": "openai:any", "base_url": url, **settings})
    model, _ = build(described, clients or of_running_loop(), streaming=False)
    return str((await model.ainvoke("What is 2+2?")).text)


async def test_calls_go_through_aiohttp_where_it_is_installed() -> None:
    pooled = open_transport("openai").pooled
    assert isinstance(pooled, openai.DefaultAioHttpClient)
    await pooled.aclose()


async def test_without_aiohttp_they_go_through_the_sdks_own_client(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_installed(**_: Any) -> None:
        raise RuntimeError("To use the aiohttp client you must have installed the package with the `aiohttp` extra")

    transport._over_aiohttp.cache_clear()
    monkeypatch.setattr(
        openai, "DefaultAioHttpClient", type("Missing", (), {"__init__": lambda *_, **__: not_installed()})
    )
    clients = LoopClients()
    async with loopback(lambda _: completion()) as server:
        assert await ask(server.url, clients) == "four"
        await clients.close()
    transport._over_aiohttp.cache_clear()


async def test_as_many_connections_are_opened_as_there_are_calls() -> None:
    everyone_asked = asyncio.Event()

    def answer(asked: Asked) -> Reply:
        if len(server.asked) == MORE_THAN_AIOHTTP_ALLOWS:
            everyone_asked.set()
        return Reply(hangs=True)

    async with loopback(answer) as server:
        calls = [asyncio.create_task(ask(server.url)) for _ in range(MORE_THAN_AIOHTTP_ALLOWS)]
        await asyncio.wait_for(everyone_asked.wait(), timeout=20)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await server.all_closed()


async def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with loopback(lambda _: completion()) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1"))
        clients = LoopClients()
        assert await ask("http://models.invalid/v1", clients) == "four"
        assert [asked.path for asked in proxy.asked] == ["http://models.invalid/v1/chat/completions"]
        await clients.close()


@pytest.mark.parametrize("reply", [None, Reply(status=200, body=b"{", broken=True)])
async def test_a_broken_connection_is_no_timeout(reply: Reply | None) -> None:
    async with loopback(lambda _: reply) as server:
        with pytest.raises(openai.APIConnectionError) as broken:
            await ask(server.url)
    assert not isinstance(broken.value, openai.APITimeoutError)


async def test_a_connection_that_takes_too_long_is_still_a_timeout() -> None:
    async with loopback(lambda _: Reply(hangs=True)) as server:
        client = open_transport("openai").pooled
        with pytest.raises(httpx2.TimeoutException):
            await client.get(server.url, timeout=0.05)
        await client.aclose()


async def test_the_request_is_sent_as_langchain_makes_it() -> None:
    async with loopback(lambda _: completion()) as server:
        await ask(server.url, temperature=0.5, max_tokens=7, seed=3, stop=("END",))
        (asked,) = server.asked
    assert asked.body == {
        "model": "any",
        "messages": [{"role": "user", "content": "What is 2+2?"}],
        "temperature": 0.5,
        "max_tokens": 7,
        "seed": 3,
        "stop": ["END"],
        "stream": False,
    }


async def test_what_only_the_sdk_understands_is_left_to_it() -> None:
    async with loopback(lambda _: completion()) as server:
        extra = {"extra_body": {"top_k": 4}}
        assert await ask(server.url, extra=extra) == "four"
        (asked,) = server.asked
    assert asked.body["top_k"] == 4
    assert "extra_body" not in asked.body
