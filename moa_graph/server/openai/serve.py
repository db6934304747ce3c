"""Runs the door until it is stopped: first no newcomers, then the end of what goes on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn

from moa_graph.server.listening import Server, configured, in_thread, listening
from moa_graph.server.openai.app import OpenAIApp

__all__ = ["running_door", "serve"]

LAST_SECONDS = 2
"""What is left of a run after the time to end gets so many seconds to close its calls."""


class _DrainingServer(Server):
    """Goes on listening while it drains, so that newcomers are told to go elsewhere rather than left at a closed door.

    Args:
        config: uvicorn's.
        door: What is served.
        ready: Called once it can be asked.
    """

    def __init__(self, config: uvicorn.Config, door: OpenAIApp, ready: Callable[[], None]) -> None:
        super().__init__(config, ready)
        self._door = door
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains, the second one ends."""
        if self._door.gatekeeper.draining:
            super().handle_exit(sig, frame)
            return
        self._captured_signals.append(sig)
        self.stop()

    def stop(self) -> None:
        """Drains, then ends; may be called from any thread."""
        self._door.gatekeeper.draining = True
        self._loop.call_soon_threadsafe(self._start_draining)

    def _start_draining(self) -> None:
        self._draining = self._draining or asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        await self._idle_within(self._door.settings.drain)
        self._door.runner.stop()
        await self._idle_within(LAST_SECONDS)
        self.should_exit = True

    async def _idle_within(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._door.gatekeeper.idle()


def _server(door: OpenAIApp, ready: Callable[[], None]) -> _DrainingServer:
    config = configured(door.app, lifespan="on", timeout_graceful_shutdown=LAST_SECONDS)
    return _DrainingServer(config, door, ready)


def serve(door: OpenAIApp, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serves until a signal ends it.

    Args:
        door: What is served.
        host: Address to listen on.
        port: Port to listen on; 0: any that is free.
        ready: Told the address once it can be asked.

    Raises:
        OptionsError: The port can't be listened on.
    """
    listener, url = listening(host, port)
    with contextlib.closing(listener):
        _server(door, lambda: ready(url)).run([listener])


@contextlib.contextmanager
def running_door(door: OpenAIApp) -> Iterator[str]:
    """Serves in a thread, on a free port of the loopback interface; gives the address. For tests and benchmarks."""
    with in_thread(lambda ready: _server(door, ready), "moa-serve") as url:
        yield url
