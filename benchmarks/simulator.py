"""How many instant plain requests a second the simulator answers on one core: ``python -m benchmarks.simulator``.

The server has one core, the client the other. The client speaks just enough HTTP to keep its connections busy, so
that it is never the slower side: its share of its core is printed. What counts is answers for each second that the
server computed, which is also right on a machine where other work takes a part of the server's core.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

from benchmarks.processes import CLIENT, SERVER, pin_to_core
from moa_graph.server.simulator import run

GOAL = 2_000
QUESTIONS = {
    "arithmetic": "What is 17 * 24 + 3?",
    "bundled question": "What is the capital of France?",
    "free question": "How should a small team plan its releases?",
}
LENGTH = b"content-length: "


def serve_instantly(address: Connection) -> None:
    """The server's process; it lives until it is terminated."""
    pin_to_core(SERVER)
    threading.Thread(target=tell_computing_time, args=(address,), daemon=True).start()
    run(0, ready=address.send)


def tell_computing_time(address: Connection) -> None:
    """Answer every question on the pipe with the seconds that this process has computed."""
    while address.recv():
        address.send(time.process_time())


class BusyConnection(asyncio.Protocol):
    """Sends one request after another and counts the answers."""

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.answers = 0
        self.failures = 0
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head_end = self.buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        begin = self.buffer.find(LENGTH) + len(LENGTH)
        end = head_end + 4 + int(self.buffer[begin : self.buffer.find(b"\r\n", begin)])
        if len(self.buffer) < end:
            return
        self.answers += 1
        self.failures += not self.buffer.startswith(b"HTTP/1.1 200")
        self.buffer = self.buffer[end:]
        self.transport.write(self.request)


def request_for(question: str, host: str) -> bytes:
    body = json.dumps({"model": "instant", "messages": [{"role": "user", "content": question}]}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer none\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@dataclass(frozen=True)
class Rates:
    """Answers for each second on the clock, and for each that the server computed; the client's share of its core."""

    on_the_clock: float
    on_one_core: float
    client: float


async def measure(
    url: str, question: str, connections: int, seconds: float, computing_time: Callable[[], float]
) -> Rates:
    where = urlsplit(url)
    loop = asyncio.get_running_loop()
    request = request_for(question, where.netloc)
    busy = [
        (await loop.create_connection(lambda: BusyConnection(request), str(where.hostname), where.port or 0))[1]
        for _ in range(connections)
    ]
    await asyncio.sleep(0.3)
    answers, computed = sum(one.answers for one in busy), computing_time()
    began, spent = time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    answers, computed = sum(one.answers for one in busy) - answers, computing_time() - computed
    elapsed, spent = time.perf_counter() - began, time.process_time() - spent
    for one in busy:
        one.transport.close()
    if any(one.failures for one in busy):
        raise RuntimeError("some answers were errors")
    return Rates(answers / elapsed, answers / computed, spent / elapsed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=serve_instantly, args=(there,))
    server.start()

    def computing_time() -> float:
        here.send(True)
        return float(here.recv())

    try:
        url = here.recv()
        pin_to_core(CLIENT)
        print(f"{'instant requests':<18}{'on one core':>13}{'goal':>8}{'on the clock':>14}{'client core':>13}")
        for name, question in QUESTIONS.items():
            rates = asyncio.run(measure(url, question, options.connections, options.seconds, computing_time))
            print(
                f"{name:<18}{rates.on_one_core:>11,.0f}/s{GOAL:>8,}{rates.on_the_clock:>12,.0f}/s{rates.client:>13.0%}"
            )
    finally:
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
