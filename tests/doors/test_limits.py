"""How many runs a key may have, and how a server ends."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from moa_graph.server.openai.serve import running_door
from moa_graph.server.openai.settings import read_keys
from tests.doors.virtual_client import door_over, post
from tests.models_for_tests import Reply, provider_error, scripted

KEYS = read_keys("ada=first,bob=second")
ADA, BOB = {"authorization": "Bearer first"}, {"x-api-key": "second"}
BODY: dict[str, Any] = {"model": "panel", "messages": [{"role": "user", "content": "Why?"}]}


@pytest.mark.virtual_clock
@pytest.mark.parametrize("stream", [True, False])
async def test_a_key_has_so_many_runs_at_once_and_so_many_that_wait(stream: bool) -> None:
    proposer = scripted("a", Reply("a proposal", delay=10))
    door = door_over(scripted("writer"), proposer, keys=KEYS, concurrency=2, queue=1)
    asking = [asyncio.create_task(post(door, headers=ADA, stream=stream)) for _ in range(3)]
    await asyncio.sleep(1)
    assert proposer.journal.in_flight == 2
    refused = await post(door, headers=ADA, stream=stream)
    assert (refused.status, refused.data["error"]["code"]) == (429, "too_many_requests")
    assert int(refused.headers["retry-after"]) > 0
    assert (await post(door, headers=BOB, stream=stream)).status == 200  # another key's are its own
    assert [told.status for told in await asyncio.gather(*asking)] == [200, 200, 200]
    assert (await post(door, headers=ADA, stream=stream)).status == 200


@pytest.mark.virtual_clock
async def test_one_that_waits_and_leaves_gives_up_its_place() -> None:
    door = door_over(scripted("writer"), scripted("a", Reply("a proposal", delay=10)), concurrency=1, queue=1)
    first = asyncio.create_task(post(door))
    waiting = asyncio.create_task(post(door, leave_after=3))
    await asyncio.sleep(5)
    assert waiting.done()
    assert (await post(door)).status == 200
    assert (await first).status == 200


@pytest.mark.virtual_clock
async def test_choices_of_one_request_end_together_when_one_of_them_fails() -> None:
    proposer = scripted("a", Reply(delay=600), Reply(error=provider_error(401, "wrong key"), delay=3))
    door, loop = door_over(scripted("writer"), proposer, most_choices=2), asyncio.get_running_loop()
    began = loop.time()
    told = await post(door, n=2)
    assert told.status == 502
    assert loop.time() - began == pytest.approx(3)
    assert (len(proposer.journal.asked), proposer.journal.in_flight) == (2, 0)


def test_a_server_that_is_stopped_lets_runs_end_and_sends_newcomers_away() -> None:
    door = door_over(scripted("writer", Reply("done", delay=1)), scripted("a"))

    def stream(url: str) -> str:
        return httpx.post(f"{url}/v1/chat/completions", json={**BODY, "stream": True}, timeout=20).text

    def come_late(url: str) -> list[httpx.Response]:
        while not door.gatekeeper.draining:
            time.sleep(0.01)
        return [httpx.get(f"{url}/health"), httpx.post(f"{url}/v1/chat/completions", json=BODY)]

    with ThreadPoolExecutor() as pool:
        with running_door(door) as url:
            streamed = pool.submit(stream, url)
            while not door.runner.attended:
                time.sleep(0.01)
            late = pool.submit(come_late, url)
        health, refused = late.result()
    assert streamed.result().endswith("data: [DONE]\n\n")
    assert health.status_code == refused.status_code == 503
    assert (refused.json()["error"]["code"], refused.headers["retry-after"]) == ("draining", "5")


@pytest.mark.parametrize("stream", [False, True])
def test_a_server_that_is_stopped_ends_within_its_time(stream: bool) -> None:
    hanging = scripted("a", Reply(delay=600))
    door = door_over(scripted("writer"), hanging, drain=0.2)
    with ThreadPoolExecutor() as pool:
        with running_door(door) as url:
            body = {**BODY, "stream": stream}
            asking = pool.submit(lambda: httpx.post(f"{url}/v1/chat/completions", json=body, timeout=20))
            while not hanging.journal.in_flight:
                time.sleep(0.01)
            began = time.monotonic()
        assert time.monotonic() - began < 10
        assert (hanging.journal.in_flight, hanging.journal.cancelled) == (0, 1)
        told = asking.result()
        assert told.status_code == (200 if stream else 503)
        last = told.text.strip().rpartition("data: ")[2]
        assert json.loads(last)["error"]["code"] == "draining"
