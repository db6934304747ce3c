"""Runs the simulator: until it is stopped, or in a thread for the length of a ``with`` block."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moa_graph.errors import OptionsError
from moa_graph.models.simulation import Profile
from moa_graph.server.simulator_app import SimulatorApp
from moa_graph.server.simulator_connection import EXTENSION

try:
    import uvicorn
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
except ImportError as error:
    raise ImportError("The simulator's server needs more packages: pip install 'moa-graph[server]'") from error

__all__ = ["RunningSimulator", "run", "running_simulator", "serve"]

LOOPBACK = "127.0.0.1"
LONGEST_START = 30.0
KEEP_ALIVE = 75


@dataclass(frozen=True)
class RunningSimulator:
    """A simulator that runs in a thread of this process.

    Attributes:
        url: Its address, such as ``http://127.0.0.1:40001``.
        app: The app that it serves.
    """

    url: str
    app: SimulatorApp

    @property
    def base_url(self) -> str:
        """What OpenAI-compatible clients take as their base URL."""
        return f"{self.url}/v1"

    def stats(self) -> dict[str, Any]:
        """What ``GET /stats`` answers."""
        return self.app.stats.snapshot()

    def reset(self) -> None:
        """Begin counting anew, faults' request numbers included."""
        self.app.stats.reset()


class _Server(uvicorn.Server):
    """A server that says when it is ready and doesn't wait for hanging requests when it ends."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await super().shutdown(sockets)


def _protocol_of(app: SimulatorApp) -> type[HttpToolsProtocol]:
    """A protocol that counts connections and lets the app break them."""

    class Protocol(HttpToolsProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            app.stats.connections_open += 1
            app.stats.connections_opened += 1

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            app.stats.connections_open -= 1

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self.scope["extensions"] = {EXTENSION: {"transport": self.transport}}

    return Protocol


def _server(app: SimulatorApp, ready: Callable[[], None]) -> _Server:
    config = uvicorn.Config(
        app,
        http=_protocol_of(app),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=2,
    )
    return _Server(config, ready)


def _listening(host: str, port: int) -> tuple[socket.socket, str]:
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


async def serve(
    port: int,
    profiles: Mapping[str, Profile] | None = None,
    key: str | None = None,
    host: str = LOOPBACK,
    *,
    strict: bool = False,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve simulated models until cancelled or interrupted.

    Args:
        port: Port to listen on; 0: any that is free.
        profiles: Models by name; default: the stock profiles and a default one for every other name.
        key: Bearer key that requests must bring; None: any or none.
        host: Address to listen on.
        strict: Refuse models that ``profiles`` doesn't name.
        ready: Told the address, such as ``http://127.0.0.1:8000``, once it can be asked.

    Raises:
        OptionsError: The port can't be listened on.
    """
    listener, url = _listening(host, port)
    app = SimulatorApp(profiles, key, strict)
    server = _server(app, lambda: ready(url) if ready else None)
    with contextlib.closing(listener):
        try:
            await server.serve([listener])
        except asyncio.CancelledError:
            if server.started:
                await server.shutdown([listener])
            raise


def run(
    port: int,
    profiles: Mapping[str, Profile] | None = None,
    key: str | None = None,
    host: str = LOOPBACK,
    *,
    strict: bool = False,
    ready: Callable[[str], None] | None = None,
) -> None:
    """:func:`serve` on the fastest event loop that is installed, for a command that owns its process."""
    with asyncio.Runner(loop_factory=uvicorn.Config(SimulatorApp()).get_loop_factory()) as runner:
        runner.run(serve(port, profiles, key, host, strict=strict, ready=ready))


@contextlib.contextmanager
def running_simulator(
    profiles: Mapping[str, Profile] | None = None,
    key: str | None = None,
    *,
    strict: bool = False,
    port: int = 0,
) -> Iterator[RunningSimulator]:
    """A simulator in a thread, on a free port of the loopback interface, for tests and benchmarks.

    Args:
        profiles: Models by name.
        key: Bearer key that requests must bring.
        strict: Refuse models that ``profiles`` doesn't name.
        port: Port to listen on; 0: any that is free.
    """
    listener, url = _listening(LOOPBACK, port)
    app = SimulatorApp(profiles, key, strict)
    started = threading.Event()
    server = _server(app, started.set)
    thread = threading.Thread(target=server.run, args=([listener],), name="simulator", daemon=True)
    thread.start()
    try:
        if not started.wait(LONGEST_START):
            raise RuntimeError("the simulator didn't start; its log says why")
        yield RunningSimulator(url, app)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
