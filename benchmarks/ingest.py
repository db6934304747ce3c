"""LangSmith's address for traces, in a process of its own: it counts the runs that come in."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection

import zstandard

from benchmarks.processes import SERVER, pin_to_core, processes

__all__ = ["Ingest", "ingest"]

_NEW_RUN = re.compile(rb'name="post\.([0-9a-f-]{36})"')
INFO = json.dumps(
    {
        "batch_ingest_config": {
            "use_multipart_endpoint": True,
            "size_limit": 100,
            "size_limit_bytes": 20_971_520,
            "scale_up_nthreads_limit": 16,
            "scale_up_qsize_trigger": 1_000,
            "scale_down_nempty_trigger": 4,
        },
        "instance_flags": {"zstd_compression_enabled": True},
    }
).encode()
"""What LangSmith tells its clients about itself."""


class Ingest:
    """The way to the process.

    Attributes:
        url: Its address.
    """

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self.url: str = pipe.recv()

    def runs(self) -> int:
        """How many different runs have come in."""
        self._pipe.send(None)
        return int(self._pipe.recv())


@contextmanager
def ingest() -> Iterator[Ingest]:
    """Takes runs in for the length of a ``with`` block."""
    context = processes()
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there,), daemon=True)
    process.start()
    try:
        yield Ingest(here)
    finally:
        process.terminate()
        process.join()


def _serve(pipe: Connection) -> None:
    pin_to_core(SERVER)
    seen: set[bytes] = set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(INFO)

        def do_POST(self) -> None:
            seen.update(_NEW_RUN.findall(self._body()))
            self._answer(b"{}")

        def _body(self) -> bytes:
            if self.headers.get("transfer-encoding") == "chunked":
                body = b"".join(self._chunks())
            else:
                body = self.rfile.read(int(self.headers["content-length"]))
            packed = self.headers.get("content-encoding") == "zstd"
            return zstandard.ZstdDecompressor().stream_reader(body).read() if packed else body

        def _chunks(self) -> Iterator[bytes]:
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        pipe.send(f"http://127.0.0.1:{server.server_port}")
        while True:
            pipe.recv()
            pipe.send(len(seen))
