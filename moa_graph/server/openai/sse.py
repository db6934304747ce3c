"""Server-sent events as written bytes, with a comment in every silence, until the client is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

from moa_graph.server.asgi import Receive, Send
from moa_graph.server.openai.asgi import until_gone
from moa_graph.server.openai.errors import ApiError, as_api_error

__all__ = ["DONE", "EventStream", "Put", "event", "named_event", "send_events"]

DONE = b"data: [DONE]\n\n"
SILENCE = b": still thinking\n\n"

QUIET = 10.0
"""Seconds of silence after which a comment goes out: proxies cut connections that are silent for a minute."""

Put = Callable[[bytes], None]
"""Takes an event on its way to the client; never waits."""

HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
}


def event(data: object) -> bytes:
    """An event without a name."""
    return b"data: " + orjson.dumps(data) + b"\n\n"


def named_event(name: str, data: object) -> bytes:
    """An event with a name."""
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"


class _Outbox:
    """Events that wait to be sent. What has come while the last ones were sent goes out together."""

    def __init__(self, quiet: float) -> None:
        self._parts: list[bytes] = []
        self._filled = asyncio.Event()
        self._quiet = quiet
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._timer = self._loop.call_later(quiet, self._look)
        self.closed = False

    def put(self, part: bytes) -> None:
        self._parts.append(part)
        self._filled.set()

    def close(self) -> None:
        self.closed = True
        self._timer.cancel()
        self._filled.set()

    async def take(self) -> bytes:
        """What there is to send, once there is something; nothing when it is closed."""
        if not self.closed:
            await self._filled.wait()
            self._filled.clear()
        taken, self._parts = self._parts, []
        self._last = self._loop.time()
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def _look(self) -> None:
        """Breaks the silence; one timer serves the whole stream, however many events it has."""
        left = self._last + self._quiet - self._loop.time()
        if left <= 0:
            self.put(SILENCE)
            left = self._quiet
        self._timer = self._loop.call_later(left, self._look)


@dataclass(frozen=True)
class EventStream:
    """A stream of events that has yet to begin.

    Args:
        begin: The first events. They go out before anything else is done.
        tell: Puts events until the stream is whole. Its first argument is called once it is clear that there will be
            an answer.
        fail: The events with which a stream ends that fails in the middle.
        headers: Further headers.
        patience: Seconds in which an error may still become the answer's status instead.
        quiet: Seconds of silence after which a comment goes out.
    """

    begin: bytes
    tell: Callable[[Callable[[], None], Put], Coroutine[Any, Any, None]]
    fail: Callable[[ApiError], bytes]
    headers: Mapping[str, str] = field(default_factory=dict)
    patience: float = 0.2
    quiet: float = QUIET


async def send_events(receive: Receive, send: Send, stream: EventStream) -> None:
    """Sends a stream. Where the client leaves, the telling is cancelled and waited for.

    Args:
        receive: Tells when the client is gone.
        send: Takes the stream.
        stream: What to send.

    Raises:
        ApiError: It failed before anything was sent.
    """
    if not stream.patience:
        await _begin(send, stream)
    outbox = _Outbox(stream.quiet)
    answering = asyncio.Event()
    telling = asyncio.create_task(stream.tell(answering.set, outbox.put))

    def over(_: object) -> None:
        answering.set()
        outbox.close()

    telling.add_done_callback(over)
    gone = asyncio.create_task(until_gone(receive))
    gone.add_done_callback(lambda _: telling.cancel())
    try:
        if stream.patience:
            with suppress(TimeoutError):
                async with asyncio.timeout(stream.patience):
                    await answering.wait()
            if telling.done() and not telling.cancelled():
                telling.result()
            await _begin(send, stream)
        while not outbox.closed:
            if part := await outbox.take():
                await send({"type": "http.response.body", "body": part, "more_body": True})
        if not gone.done():
            await send({"type": "http.response.body", "body": await outbox.take() + _ending(telling, stream)})
    finally:
        outbox.close()
        gone.cancel()
        telling.cancel()
        await asyncio.gather(telling, gone, return_exceptions=True)


async def _begin(send: Send, stream: EventStream) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": _lines(stream.headers)})
    await send({"type": "http.response.body", "body": stream.begin, "more_body": True})


def _lines(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in {**HEADERS, **headers}.items()]


def _ending(telling: asyncio.Task[None], stream: EventStream) -> bytes:
    """What a stream that failed ends with."""
    error = None if telling.cancelled() else telling.exception()
    if isinstance(error, Exception):
        return stream.fail(as_api_error(error))
    return b""
