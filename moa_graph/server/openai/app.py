"""The app: models, chat completions, responses, operations and the page, behind one guard."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import orjson
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from moa_graph.server.asgi import ClientGone, Receive, Scope, Send
from moa_graph.server.openai.admission import Admission
from moa_graph.server.openai.asgi import send_error, send_json
from moa_graph.server.openai.books import Books, check_prices
from moa_graph.server.openai.chat import ChatCompletions
from moa_graph.server.openai.errors import ApiError, as_api_error
from moa_graph.server.openai.generation import Generation
from moa_graph.server.openai.guard import Gatekeeper, Guard
from moa_graph.server.openai.metrics import Metrics
from moa_graph.server.openai.mixtures import ServedMixtures
from moa_graph.server.openai.page_files import PageFiles
from moa_graph.server.openai.responses import Responses
from moa_graph.server.openai.runner import Runner
from moa_graph.server.openai.settings import Settings
from moa_graph.server.openai.spending import SpendingByKey

__all__ = ["Endpoint", "OpenAIApp"]

log = logging.getLogger("moa_graph.server")

METRICS_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class Endpoint:
    """Answers requests, its errors in OpenAI's format.

    Args:
        answer: Answers one.
    """

    def __init__(self, answer: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        try:
            await self._answer(scope, receive, send)
        except ApiError as error:
            await send_error(send, error)
        except ClientGone:
            return
        except Exception as error:
            log.exception("request %s failed", scope.get("moa.request"))
            await send_error(send, as_api_error(error))


class OpenAIApp:
    """Mixtures behind OpenAI's protocol.

    Args:
        mixtures: The mixtures.
        settings: How the server behaves.
        mounted: Whether the app stands in another server: its guard then stands before its own routes alone.

    Raises:
        MixtureError: A day's dollars can't be limited.
    """

    def __init__(self, mixtures: ServedMixtures, settings: Settings, *, mounted: bool = False) -> None:
        self.mixtures = mixtures
        self.settings = settings
        self.metrics = Metrics()
        self.gatekeeper = Gatekeeper(settings, mounted=mounted)
        self._spending = None
        if settings.usd_per_day is not None:
            check_prices(mixtures)
            self._spending = SpendingByKey(settings.spending)
        self._admission = Admission(settings, self.metrics, self._spending)
        books = Books(self.metrics, self._spending)
        self.runner = Runner(mixtures, books, self._admission, log_prompts=settings.log_prompts)
        guard = Middleware(Guard, gatekeeper=self.gatekeeper, metrics=self.metrics)
        cors = Middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["x-request-id", "retry-after"],
        )
        before = [cors, guard] if settings.origins else [guard]
        self.app = Starlette(
            routes=self._routes(before if mounted else []),
            middleware=[] if mounted else before,
            exception_handlers={404: _unknown, 405: _unknown},
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            if self._spending is not None:
                self._spending.close()

    def _routes(self, guard: Sequence[Middleware]) -> list[BaseRoute]:
        settings = self.settings
        chat = Generation(ChatCompletions(), self.runner, settings)
        responses = Generation(Responses(), self.runner, settings)
        routes: list[tuple[str, str, Callable[[Scope, Receive, Send], Awaitable[None]]]] = [
            ("GET", "/v1/models", self._models),
            ("GET", "/v1/models/{name:path}", self._model),
            ("POST", "/v1/chat/completions", chat),
            ("POST", "/v1/responses", responses),
            ("GET", "/health", self._health),
            ("GET", "/metrics", self._metrics),
        ]
        if settings.page:
            files = PageFiles()
            routes += [("GET", settings.page_path, files), ("GET", "/page/{name:path}", files)]
        return [Route(path, Endpoint(answer), methods=[method], middleware=guard) for method, path, answer in routes]

    async def _models(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_json(send, orjson.dumps({"object": "list", "data": self.mixtures.to_data()}))

    async def _model(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path_params"]["name"]
        await send_json(send, orjson.dumps(self.mixtures.find(name).to_data(name, self.mixtures.created)))

    async def _health(self, scope: Scope, receive: Receive, send: Send) -> None:
        draining = self.gatekeeper.draining
        status = b'{"status":"draining"}' if draining else b'{"status":"ok"}'
        await send_json(send, status, 503 if draining else 200)

    async def _metrics(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_json(send, self.metrics.text(), kind=METRICS_TYPE)


async def _unknown(request: Request, error: Exception) -> Response:
    """What isn't served is told in OpenAI's format too."""
    status = getattr(error, "status_code", 404)
    told = ApiError(status, f"Unknown request: {request.method} {request.url.path}.", code="unknown_url")
    return Response(told.to_body(), status, getattr(error, "headers", None), "application/json")
