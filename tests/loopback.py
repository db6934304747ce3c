"""A small HTTP server on the loopback interface, so that tests meet real SDKs over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Asked", "Loopback", "Reply", "completion", "loopback", "loopback_in_thread", "streamed"]


@dataclass(frozen=True)
class Asked:
    """One request that the server got."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """What the server answers.

    A ``broken`` reply ends before it is whole; one that ``hangs`` never ends, until the client goes away.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    broken: bool = False
    hangs: bool = False


Answer = Callable[[Asked], Reply | None]
"""Gives the reply to a request; None resets the connection."""


@dataclass
class Loopback:
    """A running server."""

    url: str
    loop: asyncio.AbstractEventLoop
    asked: list[Asked] = field(default_factory=list)
    connections: list[asyncio.Task[None]] = field(default_factory=list)
    """Every connection that was opened so far; done once it is closed."""
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def all_closed(self) -> None:
        """Waits until the client has closed every connection."""
        await asyncio.wait_for(asyncio.gather(*self.connections), timeout=5)


@asynccontextmanager
async def loopback(answer: Answer) -> AsyncIterator[Loopback]:
    """A server that answers each request with what ``answer`` gives."""

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.connections.append(asyncio.create_task(_serve(running, answer, reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    running = Loopback(address, asyncio.get_running_loop())
    try:
        yield running
    finally:
        server.close()
        for writer in running._open:
            writer.transport.abort()
        await asyncio.gather(*running.connections)


@contextmanager
def loopback_in_thread(answer: Answer) -> Iterator[Loopback]:
    """As :func:`loopback`, on an event loop of its own, for tests of the end of the client's loop."""
    with ThreadPoolExecutor(1) as thread:
        loop, started, stop = asyncio.new_event_loop(), Future[Loopback](), asyncio.Event()

        async def serve() -> None:
            async with loopback(answer) as server:
                started.set_result(server)
                await stop.wait()

        served = thread.submit(loop.run_until_complete, serve())
        try:
            yield started.result(timeout=10)
        finally:
            loop.call_soon_threadsafe(stop.set)
            served.result(timeout=10)
            loop.close()


async def _serve(running: Loopback, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    running._open.add(writer)
    try:
        while (asked := await _read(reader)) is not None:
            running.asked.append(asked)
            reply = answer(asked)
            if reply is None:
                return writer.transport.abort()
            writer.write(_written(reply))
            await writer.drain()
            if reply.hangs:
                await reader.read()
            if reply.broken or reply.hangs:
                return None
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        running._open.remove(writer)
        writer.close()
    return None


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    first = await reader.readline()
    if not first:
        return None
    headers = {}
    while (line := (await reader.readline()).strip()) != b"":
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Asked(first.split()[1].decode(), headers, json.loads(body or b"{}"))


def _written(reply: Reply) -> bytes:
    length = len(reply.body) + (100 if reply.broken or reply.hangs else 0)
    headers = {"content-type": "application/json", "content-length": str(length), **reply.headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {reply.status} Status\r\n{head}\r\n".encode() + reply.body


def completion(content: str | None = "four", *, finish_reason: str = "stop", **message: Any) -> Reply:
    """A whole chat completion in OpenAI's protocol."""
    answer = {"role": "assistant", "content": content, **message}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "any",
        "choices": [{"index": 0, "message": answer, "finish_reason": finish_reason}],
        "usage": {
            "prompt_tokens": 11,
            "completion_tokens": 3,
            "total_tokens": 14,
            "prompt_tokens_details": {"cached_tokens": 4},
        },
    }
    return Reply(body=json.dumps(body).encode())


def streamed(*events: dict[str, Any], broken: bool = False) -> Reply:
    """Server-sent events in OpenAI's protocol; a broken stream ends without its last event."""
    lines = [f"data: {json.dumps(event)}\n\n" for event in events]
    if not broken:
        lines.append("data: [DONE]\n\n")
    return Reply(body="".join(lines).encode(), headers={"content-type": "text/event-stream"}, broken=broken)
