"""What ASGI hands over, and the shortest ways to answer."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

from moa_graph.server.asgi import ClientGone, Receive, Scope, Send
from moa_graph.server.openai.errors import ApiError

__all__ = [
    "body_of",
    "header",
    "send_error",
    "send_json",
    "too_long",
    "until_gone",
    "while_there",
]

JSON = b"application/json"


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of this name, in lower case; None where there is none."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


async def body_of(receive: Receive, most: int) -> bytes:
    """A request's body.

    Args:
        receive: Gives its parts.
        most: Bytes that it may have.

    Raises:
        ApiError: 413, the body is longer.
        ClientGone: The client left before it had sent all of it.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > most:
            raise too_long(most)
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


def too_long(most: int) -> ApiError:
    """The error for a body of more than ``most`` bytes."""
    return ApiError(413, f"The request's body is longer than {most} bytes.", code="request_too_large")


async def send_json(
    send: Send, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None, kind: bytes = JSON
) -> None:
    """A whole answer."""
    lines = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
    lines += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in (headers or {}).items()]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


async def send_error(send: Send, error: ApiError) -> None:
    """A whole answer that is an error."""
    await send_json(send, error.to_body(), error.status, error.headers)


async def until_gone(receive: Receive) -> None:
    """Returns when the client has closed the connection, its request having been read."""
    while True:
        if (await receive())["type"] == "http.disconnect":
            return


async def while_there(receive: Receive, work: Coroutine[Any, Any, bytes]) -> bytes:
    """What ``work`` gives; it is cancelled when the client leaves.

    Raises:
        ClientGone: The client left.
    """
    working = asyncio.ensure_future(work)
    gone = asyncio.create_task(until_gone(receive))
    try:
        await asyncio.wait([working, gone], return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone
        return working.result()
    finally:
        gone.cancel()
        working.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)
