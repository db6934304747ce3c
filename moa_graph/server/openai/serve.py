"""Runs the door until it is stopped: first no newcomers, then the end of what goes on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn

from moa_graph.errors import OptionsError
from moa_graph.server.openai.app import Door

__all__ = ["running_door", "serve"]

KEEP_ALIVE = 75
LAST_SECONDS = 2
"""What is left of a run after the time to end gets so many seconds to close its calls."""


class _Server(uvicorn.Server):
    """Goes on listening while it drains, so that newcomers are told to go elsewhere rather than left at a closed door.

    Args:
        config: uvicorn's.
        door: What is served.
        ready: Called once it can be asked.
    """

    def __init__(self, config: uvicorn.Config, door: Door, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._door = door
        self._ready = ready
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        self._ready()

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
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._door.settings.drain):
                await self._door.gatekeeper.idle()
        self.should_exit = True


def _server(door: Door, ready: Callable[[], None]) -> _Server:
    config = uvicorn.Config(
        door.app,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=LAST_SECONDS,
    )
    return _Server(config, door, ready)


def listening(host: str, port: int) -> tuple[socket.socket, str]:
    """A socket that listens, and its address.

    Raises:
        OptionsError: The port can't be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise OptionsError(f"can't listen on {host}, port {port}: {error.strerror}. Choose another port.") from error
    shown = f"[{host}]" if family == socket.AF_INET6 else host
    return listener, f"http://{shown}:{listener.getsockname()[1]}"


def serve(door: Door, host: str, port: int, ready: Callable[[str], None]) -> None:
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
def running_door(door: Door) -> Iterator[str]:
    """Serves in a thread, on a free port of the loopback interface; gives the address. For tests and benchmarks."""
    listener, url = listening("127.0.0.1", 0)
    started = threading.Event()
    server = _server(door, started.set)
    thread = threading.Thread(target=server.run, args=([listener],), name="moa-serve", daemon=True)
    thread.start()
    try:
        if not started.wait(30):
            raise RuntimeError("the server didn't start; its log says why")
        yield url
    finally:
        server.stop()
        thread.join()
        listener.close()
