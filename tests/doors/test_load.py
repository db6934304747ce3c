"""Many clients at once, clients that leave, and a server that is killed.

Run: pytest -n 0 -m acceptance tests/doors/test_load.py -s
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from statistics import quantiles
from typing import Any

import aiohttp
import httpx
import pytest
from langchain_core.language_models import FakeListChatModel

from moa_graph.mixture import Mixture
from moa_graph.runs import Token, follow
from moa_graph.server.openai.app import OpenAIApp
from moa_graph.server.openai.mixtures import served_mixtures
from moa_graph.server.openai.settings import Settings
from tests.doors.processes import KEY, door, mixture_file, simulator, stats

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

HEADERS = {"authorization": f"Bearer {KEY}"}
STREAMS = 200
DISCONNECTS = 1000
PROFILE = {"latency": {"first_token": 0.2, "tokens_a_second": 200}, "price": {"input": 1, "output": 2}}


@pytest.fixture
def models(tmp_path: Path) -> Iterator[str]:
    names = [*(f"p{number}" for number in range(6)), "writer"]
    with simulator(tmp_path, {name: {"name": name, **PROFILE} for name in names}) as address:
        yield address


def asked(number: int) -> dict[str, Any]:
    question = f"What is {number + 100} * 7 + 3?"
    return {"model": "panel", "stream": True, "messages": [{"role": "user", "content": question}]}


async def one_stream(client: aiohttp.ClientSession, url: str, number: int) -> tuple[float, str]:
    """Seconds until the role's chunk, and the answer."""
    began, first, answer = time.perf_counter(), 0.0, ""
    async with client.post(f"{url}/chat/completions", json=asked(number)) as response:
        assert response.status == 200, await response.text()
        async for line in response.content:
            if line.startswith(b"data: {"):
                first = first or time.perf_counter() - began
                answer += json.loads(line[6:])["choices"][0]["delta"].get("content") or ""
        assert line in (b"\n", b"data: [DONE]\n")
    return first, answer


def session() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=0)
    return aiohttp.ClientSession(headers=HEADERS, connector=connector, timeout=aiohttp.ClientTimeout(280))


async def test_200_streams_at_once_over_19_calls_each(tmp_path: Path, models: str) -> None:
    with door(tmp_path, mixture_file(tmp_path, models, 6, 4)) as (_, url):
        async with session() as client:
            await one_stream(client, url, 0)
            before, began = stats(models)["total"]["requests"], time.perf_counter()
            told = await asyncio.gather(*(one_stream(client, url, number) for number in range(STREAMS)))
        seconds = time.perf_counter() - began
    for number, (_, answer) in enumerate(told):
        assert re.findall(r"Answer: (\d+)", answer)[-1:] == [str((number + 100) * 7 + 3)], (number, answer)
    assert stats(models)["total"]["requests"] - before == 19 * STREAMS
    p99 = quantiles([first for first, _ in told], n=100)[-1]
    sys.stdout.write(f"\n{STREAMS} streams of 19 calls in {seconds:.1f} s; first chunk p99 {p99:.3f} s\n")
    assert p99 < 1


async def test_1000_disconnects_leave_no_call_open(tmp_path: Path, models: str) -> None:
    async def leave(client: aiohttp.ClientSession, url: str, number: int) -> None:
        body = {**asked(number), "stream_options": {"include_moa_live": True}}
        async with at_once, client.post(f"{url}/chat/completions", json=body) as response:
            while b"call_started" not in (line := await response.content.readline()):
                assert line
            await asyncio.sleep(number % 7 / 50)
            response.close()

    at_once = asyncio.Semaphore(50)
    with door(tmp_path, mixture_file(tmp_path, models, 6, 2)) as (_, url):
        async with session() as client:
            await asyncio.gather(*(leave(client, url, number) for number in range(DISCONNECTS)))
        await asyncio.sleep(1)
        total = stats(models)["total"]
    sys.stdout.write(
        f"\n{total['requests']} calls, {total['aborted']} closed early, {total['in_flight']} open after 1 s\n"
    )
    assert total["aborted"] > DISCONNECTS
    assert total["in_flight"] == 0


async def test_a_kill_loses_none_of_what_was_spent(tmp_path: Path, models: str) -> None:
    mixture = mixture_file(tmp_path, models, 2, 2)
    limit = ("--usd-per-day", "0.0000001")
    async with session() as client:
        with door(tmp_path, mixture, *limit) as (process, url):
            async with client.post(f"{url}/chat/completions", json=asked(1)) as response:
                assert response.status == 200, await response.text()
                while b"reasoning" not in (line := await response.content.readline()):
                    assert line
                process.send_signal(signal.SIGKILL)
        with door(tmp_path, mixture, *limit) as (_, url):
            async with client.post(f"{url}/chat/completions", json=asked(2)) as response:
                assert response.status == 429
                assert int(response.headers["retry-after"]) > 0


async def test_an_event_costs_at_most_10_microseconds_above_the_graphs_own_stream() -> None:
    tokens = 6000
    writer = FakeListChatModel(responses=["x" * tokens])
    mixtures = served_mixtures([Mixture.from_data({"name": "one", "stages": [{"aggregate": {"slot": writer}}]})])
    app, graph = OpenAIApp(mixtures, Settings()).app, mixtures.find("one").compiled

    async def by_graph() -> int:
        async with aclosing(follow(graph, "hi")) as parts:
            return sum([isinstance(part, Token) async for part in parts])

    async def by_door() -> int:
        transport = httpx.ASGITransport(app)
        body = {"model": "one", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return (await client.post("/v1/chat/completions", json=body)).text.count('"content":"x"')

    cost: dict[str, float] = {}
    for _ in range(6):
        for way in (by_graph, by_door):
            began = time.process_time()
            assert await way() == tokens
            spent = (time.process_time() - began) / tokens * 1e6
            cost[way.__name__] = min(spent, cost.get(way.__name__, spent))
    above = cost["by_door"] - cost["by_graph"]
    sys.stdout.write(f"\n{above:.1f} microseconds an event above the graph's own {cost['by_graph']:.1f}\n")
    assert above <= 10
