"""``moa serve`` as a process that is told to end, as systemd and Kubernetes do it."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.doors.processes import KEY, door, mixture_file, simulator, stats

SLOW = {"latency": {"first_token": 1.5, "sigma": 0, "tokens_a_second": None}}
HEADERS = {"Authorization": f"Bearer {KEY}"}
BODY = {"model": "panel", "messages": [{"role": "user", "content": "What is 17 * 24 + 3?"}], "stream": True}


@pytest.mark.slow
def test_sigterm_refuses_newcomers_ends_what_goes_on_and_then_the_process(tmp_path: Path) -> None:
    profiles = dict.fromkeys(("p0", "p1", "writer"), SLOW)
    with (
        simulator(tmp_path, profiles) as models,
        door(tmp_path, mixture_file(tmp_path, models, proposers=2, layers=2)) as (process, address),
        ThreadPoolExecutor() as pool,
        httpx.Client(headers=HEADERS, timeout=30) as client,
    ):
        client.get(f"{address}/models")  # so that it holds a connection that is open already
        going_on = pool.submit(httpx.post, f"{address}/chat/completions", json=BODY, headers=HEADERS, timeout=30)
        while not stats(models)["total"]["requests"]:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        newcomer = client.post(f"{address}/chat/completions", json=BODY)
        assert newcomer.status_code == 503
        assert newcomer.headers["retry-after"]
        answer = going_on.result()
        assert answer.text.endswith("data: [DONE]\n\n")
        assert "411" in answer.text
        assert process.wait(timeout=10) == -signal.SIGTERM
