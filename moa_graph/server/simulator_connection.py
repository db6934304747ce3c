"""One request's connection, as a misbehaving server needs it: written to, waited on, and broken."""

from __future__ import annotations

import asyncio
import socket
import struct

from moa_graph.server.asgi import ClientGone, Receive, Scope, Send

__all__ = ["EXTENSION", "Connection"]

EXTENSION = "moa_graph.connection"
"""The ASGI extension that holds the request's ``transport``; without it no connection could be broken."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Connection:
    """One request's connection.

    Args:
        scope: The request's ASGI scope, with :data:`EXTENSION`.
        receive: Tells when the client goes away, the request's body having been read.
        send: Takes the answer.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._transport: asyncio.Transport = scope["extensions"][EXTENSION]["transport"]
        self._receive = receive
        self._send = send

    async def start(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Begin an answer with status 200."""
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def write(self, body: bytes, more: bool = False) -> None:
        """Send a part of the body; the last one, unless there is ``more``.

        Raises:
            ClientGone: The client closed the connection.
        """
        if self._transport.is_closing():
            raise ClientGone
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def wait(self, seconds: float | None) -> None:
        """Let ``seconds`` pass, or for None wait for ever.

        Raises:
            ClientGone: As soon as the client is gone.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._until_closed()
        except TimeoutError:
            return
        raise ClientGone

    async def _until_closed(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def reset(self) -> None:
        """Break off with a TCP reset, which also drops what was written."""
        lingering: socket.socket = self._transport.get_extra_info("socket")
        lingering.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()
        await self._until_closed()

    async def garble(self) -> None:
        """Send what isn't HTTP, and break off."""
        self._transport.write(b"\x16\x03\x01 simulated: this is no HTTP\r\n\r\n")
        await self.close()

    async def close(self) -> None:
        """Break off after what was written."""
        self._transport.close()
        await self._until_closed()
