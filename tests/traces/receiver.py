"""An HTTP server on the loopback interface that takes in whatever is posted to it."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import zstandard

__all__ = ["receiver"]

Take = Callable[[str, bytes], None]
"""Is given the content type and the unpacked body of each request, one at a time."""


@contextmanager
def receiver(take: Take, told: Mapping[str, Any] | None = None) -> Iterator[str]:
    """Serves for the length of a ``with`` block, and gives its address.

    Args:
        take: Where the bodies go.
        told: What a GET request is answered with.
    """
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(dict(told or {}))

        def do_POST(self) -> None:
            body = _unpacked(self.rfile.read(int(self.headers["content-length"])), self.headers.get("content-encoding"))
            with lock:
                take(self.headers["content-type"], body)
            self._answer({})

        def _answer(self, body: dict[str, Any]) -> None:
            written = json.dumps(body).encode() if body else b""
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(written)))
            self.end_headers()
            self.wfile.write(written)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _unpacked(body: bytes, encoding: str | None) -> bytes:
    if encoding == "zstd":
        return zstandard.ZstdDecompressor().stream_reader(body).read()
    return gzip.decompress(body) if encoding == "gzip" else body
