"""What the package's two servers share: a socket, uvicorn as both need it, and a thread to run one in."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from moa_graph.errors import OptionsError

try:
    import uvicorn
except ImportError as error:
    raise ImportError("The servers need more packages: pip install 'moa-graph[server]'") from error

__all__ = ["LOOPBACK", "Server", "configured", "in_thread", "listening"]

LOOPBACK = "127.0.0.1"
LONGEST_START = 30.0
KEEP_ALIVE = 75


class Server(uvicorn.Server):
    """A server that says when it is ready.

    Args:
        config: uvicorn's.
        ready: Called once it can be asked.
    """

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts, and says so."""
        await super().startup(sockets)
        self._ready()

    def stop(self) -> None:
        """Ends the server; may be called from any thread."""
        self.should_exit = True


def configured(app: Any, **more: Any) -> uvicorn.Config:
    """Uvicorn's settings, the log left to whoever runs the process.

    Args:
        app: What is served.
        more: Further settings of uvicorn.
    """
    return uvicorn.Config(
        app,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        **more,
    )


def listening(host: str, port: int) -> tuple[socket.socket, str]:
    """A socket that listens, and its address.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0: any that is free.

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


@contextlib.contextmanager
def in_thread(make: Callable[[Callable[[], None]], Server], name: str, port: int = 0) -> Iterator[str]:
    """Runs a server in a thread, on the loopback interface, for tests and benchmarks; gives its address.

    Args:
        make: Makes the server, given what it has to call once it can be asked.
        name: The thread's name.
        port: Port to listen on; 0: any that is free.

    Raises:
        OptionsError: The port can't be listened on.
    """
    listener, url = listening(LOOPBACK, port)
    started = threading.Event()
    server = make(started.set)
    thread = threading.Thread(target=server.run, args=([listener],), name=name, daemon=True)
    thread.start()
    try:
        if not started.wait(LONGEST_START):
            raise RuntimeError(f"{name} didn't start; see its log")
        yield url
    finally:
        server.stop()
        thread.join()
        listener.close()
