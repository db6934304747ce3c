"""Who may ask, from where, and how much at a time: one pure-ASGI layer before everything else."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from moa_graph.server.asgi import App, AsgiMessage, Receive, Scope, Send
from moa_graph.server.openai.asgi import header, send_error, too_long
from moa_graph.server.openai.errors import ApiError, draining
from moa_graph.server.openai.metrics import Metrics
from moa_graph.server.openai.settings import Settings, is_loopback

__all__ = ["Gatekeeper", "Guard"]

log = logging.getLogger("moa_graph.server")

_IDENTITY = re.compile(r"[\w.:/+-]{1,128}")

ENDPOINTS = ("/v1/models", "/v1/chat/completions", "/v1/responses", "/health", "/metrics")


class Gatekeeper:
    """Decides whether a request may pass.

    Args:
        settings: Who may ask.
        mounted: Whether the app stands in another server, which decides what address is listened on.
    """

    def __init__(self, settings: Settings, *, mounted: bool = False) -> None:
        self._settings = settings
        self._mounted = mounted
        self.draining = False
        self._inside = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Counts a request that is being answered."""
        self._inside += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._idle.set()

    async def idle(self) -> None:
        """Waits until no request is being answered."""
        await self._idle.wait()

    def check(self, scope: Scope) -> None:
        """Notes whose key the request bears, in ``moa.owner`` and ``moa.name``.

        Raises:
            ApiError: It may not pass.
        """
        path = _path(scope)
        if path == "/health":
            return
        self._check_host(scope)
        self._check_origin(scope)
        if self._is_open(path):
            return
        self._check_key(scope)
        if self.draining:
            raise draining()
        length = header(scope, b"content-length")
        if length is not None and length.isdigit() and int(length) > self._settings.most_bytes:
            raise too_long(self._settings.most_bytes)

    def _is_open(self, path: str) -> bool:
        """Whether it is a part of the page, which holds no secret and asks with the reader's own key."""
        page = self._settings.page
        return page and (path == self._settings.page_path or path.startswith("/page/"))

    def _check_host(self, scope: Scope) -> None:
        """A page of another site whose name was turned to this address would send that name."""
        hosts = self._settings.hosts
        if self._mounted or "*" in hosts:
            return
        if _host_name(header(scope, b"host") or "") not in hosts:
            message = "This host name isn't allowed. The server's operator can allow it with --allow-host NAME."
            raise ApiError(403, message, code="host_not_allowed")

    def _check_origin(self, scope: Scope) -> None:
        """Another site's page may ask only where its origin is named, even if it couldn't read the answer."""
        origin = header(scope, b"origin")
        if origin is None or "*" in self._settings.origins or origin in self._settings.origins:
            return
        if origin.partition("://")[2] != (header(scope, b"host") or ""):
            message = (
                "Pages of this origin may not send requests. The server's operator can allow it with --cors ORIGIN."
            )
            raise ApiError(403, message, code="origin_not_allowed")

    def _check_key(self, scope: Scope) -> None:
        if not self._settings.keys:
            client = (scope.get("client") or ("127.0.0.1",))[0]
            if self._mounted and not is_loopback(client):
                message = "Without keys, only this machine may send requests: set MOA_API_KEYS."
                raise ApiError(403, message, code="no_keys")
            scope["moa.owner"], scope["moa.name"] = "", "anybody"
            return
        given = _given_key(scope)
        key = self._settings.key_of(given)
        if key is None:
            told = "This key is unknown." if given else "A key is required."
            message = f"{told} Send it as 'Authorization: Bearer KEY' or as 'X-Api-Key: KEY'."
            headers = {"www-authenticate": "Bearer"}
            raise ApiError(401, message, code="invalid_api_key", headers=headers)
        scope["moa.owner"], scope["moa.name"] = key.owner, key.name


class Guard:
    """Lets requests pass that may, and notes every one: in the log, the metrics and ``x-request-id``.

    Args:
        app: What stands behind it.
        gatekeeper: Decides who may pass.
        metrics: Where requests are counted.
    """

    def __init__(self, app: App, gatekeeper: Gatekeeper, metrics: Metrics) -> None:
        self._app = app
        self._gatekeeper = gatekeeper
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes one request on, or answers it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0
        given = header(scope, b"x-request-id") or ""
        identity = given if _IDENTITY.fullmatch(given) else uuid.uuid4().hex
        scope["moa.request"] = identity

        async def sending(message: AsgiMessage) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", identity.encode())]
            await send(message)

        try:
            self._gatekeeper.check(scope)
            with self._gatekeeper.inside():
                await self._app(scope, receive, sending)
        except ApiError as error:
            await send_error(sending, error)
        finally:
            seconds = time.perf_counter() - began
            self._metrics.request(_endpoint(scope), status or 499, seconds)
            log.info(
                "%s %s %s %.3fs key=%s model=%s id=%s",
                scope["method"], _path(scope)[:200], status or 499, seconds,
                scope.get("moa.name", "-"), scope.get("moa.model", "-"), identity,
            )  # fmt: skip


def _host_name(host: str) -> str:
    """The name in a ``Host`` header, without the port; empty where it holds none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").removesuffix(".")
    except ValueError:  # such as "[::1"
        return ""


def _path(scope: Scope) -> str:
    """The path below where the app is mounted."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path[len(root) :] or "/" if root and path.startswith(root) else path


def _endpoint(scope: Scope) -> str:
    """The path as the metrics name it: few names, whatever is asked for."""
    path = _path(scope)
    if path.startswith("/v1/models/"):
        return "/v1/models/{id}"
    return path if path in ENDPOINTS else "other"


def _given_key(scope: Scope) -> str | None:
    scheme, _, token = (header(scope, b"authorization") or "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    return header(scope, b"x-api-key")
