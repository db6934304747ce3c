"""The page: files of this package, with the headers that keep model output from doing anything."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib import resources

from moa_graph.server.asgi import Receive, Scope, Send
from moa_graph.server.openai.asgi import send_json
from moa_graph.server.openai.errors import ApiError

__all__ = ["PageFiles"]

TYPES = {
    "html": b"text/html; charset=utf-8",
    "css": b"text/css; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "mjs": b"text/javascript; charset=utf-8",
    "txt": b"text/plain; charset=utf-8",
}

_IMPORT_MAP = re.compile(r'<script type="importmap">(.*?)</script>', re.DOTALL)


class PageFiles:
    """Serves the page's files, which are read once."""

    def __init__(self) -> None:
        root = resources.files("moa_graph.server.openai") / "page"
        places = [(root, ""), (root / "vendor", "vendor/")]
        self._files = {
            prefix + file.name: file.read_bytes()
            for folder, prefix in places
            for file in folder.iterdir()
            if file.is_file() and file.name.rpartition(".")[2] in TYPES
        }
        found = _IMPORT_MAP.search(self._files["index.html"].decode())
        digest = hashlib.sha256(found[1].encode() if found else b"").digest()
        policy = (
            f"default-src 'none'; script-src 'self' 'sha256-{base64.b64encode(digest).decode()}'; style-src 'self'; "
            "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        self._headers = {
            "content-security-policy": policy,
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cross-origin-opener-policy": "same-origin",
            "cache-control": "no-cache",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers with a file; the page itself where none is named."""
        name = scope["path_params"].get("name", "index.html")
        if name not in self._files:
            raise ApiError(404, "There is no such file.", code="unknown_url")
        await send_json(send, self._files[name], headers=self._headers, kind=TYPES[name.rpartition(".")[2]])
