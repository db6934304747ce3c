"""Runs the simulator: until it is stopped, or in a thread for the length of a ``with`` block."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moa_graph.models.simulation import Profile
from moa_graph.server.listening import LOOPBACK, Server, configured, in_thread, listening
from moa_graph.server.simulator_app import SimulatorApp
from moa_graph.server.simulator_connection import EXTENSION

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["RunningSimulator", "run", "running_simulator", "serve"]


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


class _SimulatorServer(Server):
    """A server that doesn't wait for hanging requests when it ends."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await super().shutdown(sockets)


def _protocol_of(app: SimulatorApp) -> type[HttpToolsProtocol]:
    """A protocol that counts connections and lets the app break them."""
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class Protocol(HttpToolsProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # TCP gives one
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


def _server(app: SimulatorApp, ready: Callable[[], None]) -> _SimulatorServer:
    config = configured(
        app,
        http=_protocol_of(app),
        lifespan="off",
        log_level="warning",
        date_header=False,
        timeout_graceful_shutdown=2,
    )
    return _SimulatorServer(config, ready)


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
    listener, url = listening(host, port)
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
    with asyncio.Runner(loop_factory=configured(SimulatorApp()).get_loop_factory()) as runner:
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
    app = SimulatorApp(profiles, key, strict)
    with in_thread(lambda ready: _server(app, ready), "simulator", port) as url:
        yield RunningSimulator(url, app)
