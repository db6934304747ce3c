"""The HTTP clients that SDKs are given: the fastest that they take, with the environment's proxies and certificates."""

from __future__ import annotations

import importlib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple, cast

__all__ = ["Sent", "Transport", "noting_what_is_sent", "open_transport"]


class Transport(NamedTuple):
    """The two clients that an SDK is given.

    Nothing is ever asked through ``sync``; without it an SDK would make one for each model.
    """

    sync: Any
    pooled: Any


def open_transport(sdk: str) -> Transport:
    """New clients with an SDK's defaults, but for the number of connections, which our own limits rule.

    Where aiohttp is installed, calls go through it: an SDK's stock transport looks at every open connection for every
    call. Either way ``trust_env`` stays on, so proxies and certificates of the environment are kept to.

    Args:
        sdk: ``openai``, or a package of the same make, such as ``anthropic``.
    """
    package = importlib.import_module(sdk)
    # An SDK is built on httpx2 or, in older versions, on httpx.
    library = importlib.import_module(type(package.DEFAULT_CONNECTION_LIMITS).__module__.partition(".")[0])
    trusted = _certificates(library)
    sync = package.DefaultHttpxClient(verify=trusted)
    try:
        unlimited = library.Limits(max_connections=0)  # as aiohttp writes it
        return Transport(sync, _over_aiohttp(package, library)(verify=trusted, limits=unlimited, timeout=None))
    except (AttributeError, RuntimeError):  # the SDK has no client for aiohttp, or lacks a package for it
        unlimited = library.Limits(max_connections=None, max_keepalive_connections=None)
        return Transport(sync, package.DefaultAsyncHttpxClient(verify=trusted, limits=unlimited, timeout=None))


@cache
def _over_aiohttp(package: ModuleType, library: ModuleType) -> type[Any]:
    """The SDK's client for aiohttp, which takes every broken or refused connection for a timeout."""

    class Client(package.DefaultAioHttpClient):  # type: ignore[misc, name-defined]  # either SDK's
        async def send(self, request: Any, **how: Any) -> Any:
            try:
                answer = await super().send(request, **how)
                _note(self, request)
                return answer
            except library.ConnectTimeout as error:
                if isinstance(error.__cause__, TimeoutError):
                    raise
                raise library.ConnectError(str(error)) from error.__cause__

    return Client


class Sent(NamedTuple):
    """A request that an SDK has sent, and what it was sent through."""

    request: Any
    client: Any
    transport: Any

    @property
    def session(self) -> Any:
        """Aiohttp's session that sent it; None where something else did."""
        session = getattr(self.transport, "client", None)
        return session if hasattr(session, "connector") else None


_noted: ContextVar[list[Sent] | None] = ContextVar("what is sent", default=None)


@contextmanager
def noting_what_is_sent() -> Iterator[list[Sent]]:
    """The requests that are answered to the clients of this module while the ``with`` block runs."""
    sent: list[Sent] = []
    token = _noted.set(sent)
    try:
        yield sent
    finally:
        _noted.reset(token)


def _note(client: Any, request: Any) -> None:
    noted = _noted.get()
    if noted is not None:
        noted.append(Sent(request, client, client._transport_for_url(request.url)))  # noqa: SLF001  (httpx names no other)


@cache
def _certificates(library: ModuleType) -> ssl.SSLContext:
    """Reading the certificates takes longer than a call, so it is done once for all clients."""
    return cast(ssl.SSLContext, library.create_ssl_context())
