"""A client of the door without sockets, so that a test of a minute's silence takes milliseconds of virtual time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from moa_graph.mixture import Mixture
from moa_graph.server.openai.app import OpenAIApp
from moa_graph.server.openai.mixtures import served_mixtures
from moa_graph.server.openai.settings import Settings

__all__ = ["Exchange", "door_over", "post"]

HEADERS = {"host": "localhost", "content-type": "application/json"}


@dataclass
class Exchange:
    """What the door answered.

    Args:
        status: 0 where it answered nothing.
        headers: Of the answer.
        parts: Seconds on the loop's clock, and what was sent then.
    """

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    parts: list[tuple[float, bytes]] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        return b"".join(part for _, part in self.parts)

    @property
    def data(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The JSON of a stream's events."""
        lines = self.body.decode().split("\n")
        return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]

    @property
    def text(self) -> str:
        """What a stream of chat completions adds up to."""
        deltas = [event["choices"][0]["delta"] for event in self.events if event.get("choices")]
        return "".join(delta.get("content", "") for delta in deltas)


def door_over(writer: Any, proposer: Any, *, fallbacks: Any = (), **settings: Any) -> OpenAIApp:
    """A door that serves one mixture of these models, as ``panel``."""
    stages = [{"propose": {"slots": [proposer]}}, {"aggregate": {"slot": writer, "fallbacks": list(fallbacks)}}]
    return OpenAIApp(served_mixtures([Mixture.from_data({"name": "panel", "stages": stages})]), Settings(**settings))


async def post(
    door: OpenAIApp,
    path: str = "/v1/chat/completions",
    *,
    leave_after: float | None = None,
    headers: Mapping[str, str] | None = None,
    **body: Any,
) -> Exchange:
    """Asks the door.

    Args:
        door: The door.
        path: The endpoint.
        leave_after: Seconds after which the client closes the connection.
        headers: Of the request, over the usual ones.
        body: Fields over those of a plain question.
    """
    asked: dict[str, Any] = {"model": "panel"}
    asked |= {"input": "Why?"} if path == "/v1/responses" else {"messages": [{"role": "user", "content": "Why?"}]}
    sent = [json.dumps(asked | body).encode()]
    loop, exchange = asyncio.get_running_loop(), Exchange()

    async def receive() -> dict[str, Any]:
        if sent:
            return {"type": "http.request", "body": sent.pop(), "more_body": False}
        await (asyncio.Event().wait() if leave_after is None else asyncio.sleep(leave_after))
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            exchange.status = message["status"]
            exchange.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        elif message["body"]:
            exchange.parts.append((loop.time(), bytes(message["body"])))

    lines = [(name.encode(), value.encode()) for name, value in {**HEADERS, **(headers or {})}.items()]
    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
        "root_path": "", "headers": lines, "client": ("127.0.0.1", 1), "http_version": "1.1", "scheme": "http",
    }  # fmt: skip
    await door.app(scope, receive, send)
    return exchange
