"""The simulator as an ASGI app: OpenAI's chat completions by simulated models, and counts of the requests."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence

import orjson

from moa_graph.models.simulation import STOCK_PROFILES, Profile, SimulatedFault, perform, profile_named
from moa_graph.server.asgi import ClientGone, Receive, Scope, Send
from moa_graph.server.simulator_answer import JSON_TYPE, Answer
from moa_graph.server.simulator_batches import SimulatedBatches
from moa_graph.server.simulator_connection import Connection
from moa_graph.server.simulator_stats import RequestCount, Stats
from moa_graph.server.simulator_wire import error_body, read_request

__all__ = ["SimulatorApp"]


class SimulatorApp:
    """Serves simulated models.

    Args:
        profiles: Models by name. Others get a stock profile or one of their own, unless ``strict``.
        key: The bearer key that requests must bring; None: any or none.
        strict: Answer 404 to models that ``profiles`` doesn't name.
        stats: Where requests are counted.
    """

    def __init__(
        self,
        profiles: Mapping[str, Profile] | None = None,
        key: str | None = None,
        strict: bool = False,
        stats: Stats | None = None,
    ) -> None:
        self.profiles = dict(profiles or {})
        self.stats = stats or Stats()
        self._authorization = None if key is None else f"Bearer {key}".encode()
        self._strict = strict
        self._derived: dict[str, Profile] = {}
        self.batches = SimulatedBatches(self._profile, self.stats)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        match scope["method"], scope["path"]:
            case "POST", "/v1/chat/completions":
                await self._chat(scope, receive, send)
            case "GET", "/v1/models":
                await self._list_models(scope, send)
            case "GET", "/health":
                await _send_json(send, 200, orjson.dumps({"status": "ok"}))
            case "GET", "/stats":
                await _send_json(send, 200, orjson.dumps(self.stats.snapshot()))
            case "POST", "/reset":
                self.stats.reset()
                await _send_json(send, 200, orjson.dumps({"status": "reset"}))
            case method, path if path.startswith(("/v1/files", "/v1/batches")):
                await self._batch(scope, receive, send)
            case method, path:
                fault = SimulatedFault(404, f"Invalid URL ({method} {path})")
                await _send_json(send, 404, error_body(fault))

    async def _list_models(self, scope: Scope, send: Send) -> None:
        try:
            self._check_key(scope)
        except SimulatedFault as error:
            await _send_json(send, error.status_code, error_body(error))
            return
        names = self.profiles if self._strict else {**self.profiles, **STOCK_PROFILES}
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "simulated"} for name in names]
        await _send_json(send, 200, orjson.dumps({"object": "list", "data": models}))

    async def _batch(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        try:
            self._check_key(scope)
            told = self.batches.handle(scope["method"], scope["path"], dict(scope["headers"]), body)
        except SimulatedFault as error:
            await _send_json(send, error.status_code, error_body(error))
            return
        await _send_json(send, 200, told)

    async def _chat(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        try:
            self._check_key(scope)
            request = read_request(body)
            profile = self._profile(request.model)
        except SimulatedFault as error:
            with self.stats.request(None) as count:
                await _send_error(send, error, count)
            return
        with self.stats.request(request.model) as count:
            try:
                performance = perform(profile, request, count.number)
                connection = Connection(scope, receive, send)
                await Answer(profile, request, performance, count, connection).give()
            except SimulatedFault as error:
                await _send_error(send, error, count)
            except ClientGone:
                count.aborted()

    def _check_key(self, scope: Scope) -> None:
        if self._authorization is None:
            return
        given = dict(scope["headers"]).get(b"authorization")
        if given is None:
            raise SimulatedFault(401, "You didn't provide an API key. Send it as a bearer token.")
        if not hmac.compare_digest(given, self._authorization):
            raise SimulatedFault(401, "Incorrect API key provided.", code="invalid_api_key")

    def _profile(self, model: str) -> Profile:
        """The profile of ``model``; derived ones are kept, since deriving costs more than answering."""
        name = model.removeprefix("sim:")
        profile = self.profiles.get(name) or self._derived.get(name)
        if profile is None:
            if self._strict:
                message = f"The model `{model}` does not exist or you do not have access to it."
                raise SimulatedFault(404, message, code="model_not_found", param="model")
            profile = self._derived[name] = profile_named(name)
        return profile


async def _body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body


async def _send_error(send: Send, error: SimulatedFault, count: RequestCount) -> None:
    count.status(error.status_code)
    headers = [(name.encode(), value.encode()) for name, value in error.response.headers.items()]
    await _send_json(send, error.status_code, error_body(error), headers)


async def _send_json(send: Send, status: int, body: bytes, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
    lines = [JSON_TYPE, (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})
