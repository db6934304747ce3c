"""The shortest way for a request of OpenAI's chat completions: addressed and signed as the SDK does, sent by aiohttp.

The SDK and its HTTP library take most of a call's processor time to arrive at the same bytes. So the first request of a
client takes the SDK's way, and what was sent then, address and headers, is how all further ones are sent. Theirs stay
the connections, with their pool, certificates and end, and the errors, which the SDK makes from the response.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

from moa_graph.models.instruments import is_wrapped
from moa_graph.models.transport import Sent, noting_what_is_sent

if TYPE_CHECKING:
    from aiohttp import ClientResponse

__all__ = ["DONE", "events_of", "post"]

PATH = "/chat/completions"

DONE: dict[str, Any] = {"is_done": True}
"""Follows the last event of a stream whose server said that it was done; one that broke off has none."""

_LEFT_TO_AIOHTTP = {"host", "content-length", "accept-encoding", "connection", "transfer-encoding"}
"""Headers that are about one request, or about what aiohttp can read."""

_ways: WeakKeyDictionary[Any, _DirectWay | None] = WeakKeyDictionary()
"""SDK's client -> its direct way; None where it must not be taken."""


async def post(client: Any, payload: Mapping[str, Any]) -> Any:
    """The answer to one request: JSON, or text where the server says that it is something else.

    Args:
        client: The SDK's.
        payload: The request's body.

    Raises:
        openai.APIError: What the SDK raises for the same response, or for none.
        ValueError: The body can't be read.
    """
    way = _way_of(client)
    if way is not None:
        async with way.response(payload) as response:
            body = await response.read()
        kind = response.headers.get("content-type", "*").partition(";")[0]
        return json.loads(body) if kind.endswith("json") else body.decode(errors="replace")
    with noting_what_is_sent() as sent:
        answer = await client.post(PATH, body=payload, cast_to=object)
    _remember(client, sent)
    return answer


async def events_of(client: Any, payload: Mapping[str, Any]) -> AsyncGenerator[list[dict[str, Any]]]:
    """The events of a streamed answer, those together that arrived together.

    Args:
        client: The SDK's.
        payload: The request's body, with ``stream`` set.

    Raises:
        openai.APIError: What the SDK raises for the same response.
        ValueError: An event can't be read.
    """
    way = _way_of(client)
    if way is not None:
        async with aclosing(way.events(payload)) as events:
            async for together in events:
                yield together
        return
    import openai

    class StreamEnd(openai.AsyncStream[object]):
        """Knows whether the server said that the answer was whole."""

        is_done = False

        async def _iter_events(self) -> AsyncIterator[Any]:
            async for event in super()._iter_events():
                self.is_done = self.is_done or event.data.startswith("[DONE]")
                yield event

    with noting_what_is_sent() as sent:
        stream = await client.post(PATH, body=payload, cast_to=object, stream=True, stream_cls=StreamEnd)
    _remember(client, sent)
    async with stream:
        async for event in stream:
            yield [event]
    if stream.is_done:
        yield [DONE]


def _remember(client: Any, sent: list[Sent]) -> None:
    if client not in _ways:
        _ways[client] = _DirectWay(client, sent[0]) if sent and _DirectWay.is_possible(client, sent[0]) else None


def _way_of(client: Any) -> _DirectWay | None:
    """The direct way, where it is known, open, and nobody listens on the SDK's."""
    way = _ways.get(client)
    if way is None:
        return None
    if way.is_closed:
        del _ways[client]
        return None
    return None if way.is_watched() else way


class _DirectWay:
    """Sends requests of one SDK client over the connections of its HTTP client.

    Args:
        client: The SDK's.
        sent: A request that it has sent.
    """

    @staticmethod
    def is_possible(client: Any, sent: Sent) -> bool:
        """Whether nothing is missed that the user has asked for: a proxy, or a key that is made for each request."""
        import openai

        return (
            type(client) is openai.AsyncOpenAI
            and getattr(client, "_api_key_provider", None) is None
            and getattr(sent.transport, "proxy", None) is None
            and sent.session is not None
        )

    def __init__(self, client: Any, sent: Sent) -> None:
        import aiohttp
        import openai
        from yarl import URL

        self._client = client
        self._http = sent.client
        self._session = sent.session
        self._request = type(sent.request)(sent.request.method, sent.request.url, headers=sent.request.headers)
        self._url = URL(str(sent.request.url), encoded=True)
        self._headers = {
            name: value for name, value in sent.request.headers.items() if name.lower() not in _LEFT_TO_AIOHTTP
        }
        self._no_limit = aiohttp.ClientTimeout(total=None)
        self._lost = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError)
        self._library = sys.modules[type(sent.request).__module__.partition(".")[0]]
        self._logs = (
            (logging.getLogger("openai"), logging.DEBUG),
            (logging.getLogger(self._library.__name__), logging.INFO),
        )
        self._methods = (
            (openai, type(client), "post"),
            (openai, type(client), "request"),
            (self._library, self._library.AsyncClient, "send"),
            (openai, type(sent.transport), "handle_async_request"),
        )
        self._known: tuple[object, ...] = ()

    @property
    def is_closed(self) -> bool:
        """Whether its connections have ended."""
        return bool(self._session.closed)

    def is_watched(self) -> bool:
        """Whether somebody sees the SDK's calls, who wouldn't see these: by wrapped methods, hooks or logs."""
        methods = tuple(getattr(kind, name) for _, kind, name in self._methods)
        if methods != self._known:
            if any(is_wrapped(method, package) for method, (package, _, _) in zip(methods, self._methods, strict=True)):
                return True
            self._known = methods
        return any(self._http.event_hooks.values()) or any(log.isEnabledFor(level) for log, level in self._logs)

    @asynccontextmanager
    async def response(self, payload: Mapping[str, Any]) -> AsyncIterator[ClientResponse]:
        """A response that is no error, its body not yet read."""
        import openai

        body = json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        try:
            async with self._session.post(
                self._url, data=body, headers=self._headers, timeout=self._no_limit
            ) as response:
                if response.status >= 400:
                    raise await self._error(response)
                yield response
        except self._lost as error:
            raise openai.APIConnectionError(request=self._request) from error

    async def events(self, payload: Mapping[str, Any]) -> AsyncGenerator[list[dict[str, Any]]]:
        """The events of a server-sent stream up to its end (WHATWG HTML, section 9.2.6), as far as they bear data."""
        unread = b""
        async with self.response(payload) as response:
            async for read in response.content.iter_any():
                *lines, unread = (unread + read).split(b"\n")
                together: list[dict[str, Any]] = []
                for data in (line[5:].strip() for line in lines if line.startswith(b"data:")):
                    if data == b"[DONE]":
                        yield [*together, DONE]
                        return
                    try:
                        together.append(self._event(data))
                    except Exception:
                        yield together  # what came before the error came
                        raise
                yield together

    def _event(self, data: bytes) -> dict[str, Any]:
        import openai

        event = json.loads(data)
        if isinstance(event, dict) and (error := event.get("error")):
            words = error.get("message") if isinstance(error, dict) else None
            raise openai.APIError(words or "An error occurred during streaming", self._request, body=error)
        return cast(dict[str, Any], event)

    async def _error(self, response: ClientResponse) -> Exception:
        """What the SDK raises for the response."""
        headers = [one for one in response.raw_headers if one[0].lower() != b"content-encoding"]  # it is decoded here
        content = await response.read()
        answer = self._library.Response(response.status, headers=headers, content=content, request=self._request)
        return cast(Exception, self._client._make_status_error_from_response(answer))  # noqa: SLF001  (SDK's)
