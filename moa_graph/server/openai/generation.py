"""An endpoint at which a mixture answers: what chat completions and Responses have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Protocol, TypeVar

from moa_graph.runs import Outcome
from moa_graph.server.asgi import Receive, Scope, Send
from moa_graph.server.openai.asgi import body_of, header, send_json, while_there
from moa_graph.server.openai.asked import ModelRequest
from moa_graph.server.openai.bodies import parse
from moa_graph.server.openai.errors import ApiError
from moa_graph.server.openai.narrator import Narrator, Teller
from moa_graph.server.openai.runner import Run, Runner
from moa_graph.server.openai.settings import Settings
from moa_graph.server.openai.sse import DONE, EventStream, Put, send_events
from moa_graph.side_by_side import side_by_side

__all__ = ["Dialect", "Generation", "GenerationRequest"]

PATIENCE = 0.5
"""Seconds in which an error may still become a stream's status. A run that can't begin mostly fails in the first few
milliseconds."""

CROWD = 8
"""Requests at once from which on a stream begins before it is clear that its run can."""


class GenerationRequest(Protocol):
    """A request in either protocol."""

    @property
    def asked(self) -> ModelRequest:
        """What it asks for."""

    @property
    def choices(self) -> int:
        """How many answers it asks for."""


RequestT = TypeVar("RequestT", bound=GenerationRequest)


class Dialect(Protocol[RequestT]):
    """One of the two protocols: how its requests are read, and its answers written."""

    def read(self, data: Mapping[str, Any], most_choices: int) -> RequestT:
        """What a body asks for.

        Raises:
            ApiError: 400, naming the field that can't be honoured.
        """

    def teller(self, wanted: RequestT, run: Run) -> Teller:
        """Writes a streamed answer."""

    def body(self, wanted: RequestT, run: Run, outcomes: Sequence[Outcome]) -> bytes:
        """A whole answer, of one run for each choice."""


class Generation:
    """The endpoint.

    Args:
        dialect: The protocol that it speaks.
        runner: Runs mixtures.
        settings: How the server behaves.
    """

    def __init__(self, dialect: Dialect[Any], runner: Runner, settings: Settings) -> None:
        self._dialect = dialect
        self._runner = runner
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if header(scope, b"content-encoding") not in (None, "identity"):
            raise ApiError(
                415, "Compressed bodies aren't supported: send the JSON uncompressed.", code="content_encoding"
            )
        data = parse(await body_of(receive, self._settings.most_bytes))
        wanted = self._dialect.read(data, self._settings.most_choices)
        scope["moa.model"] = wanted.asked.model
        owner = scope.get("moa.owner", "")
        with self._runner.attending():
            runs = [self._runner.prepare(wanted.asked.for_choice(index), owner) for index in range(wanted.choices)]
            if wanted.asked.stream:
                await send_events(receive, send, self._stream(wanted, runs[0]))
            else:
                await send_json(send, await while_there(receive, self._whole(wanted, runs)))

    async def _whole(self, wanted: GenerationRequest, runs: Sequence[Run]) -> bytes:
        async with self._runner.until_stopped():
            outcomes = await side_by_side([self._runner.outcome(run) for run in runs])
        return self._dialect.body(wanted, runs[0], outcomes)

    def _stream(self, wanted: GenerationRequest, run: Run) -> EventStream:
        teller = self._dialect.teller(wanted, run)

        async def tell(answering: Callable[[], None], put: Put) -> None:
            narrator = Narrator(teller, put, answering, live=wanted.asked.live)
            async with self._runner.until_stopped(), aclosing(self._runner.parts(run, narrator.given)) as parts:
                await narrator.read(parts)
            put(DONE)

        patience = PATIENCE if self._runner.attended < CROWD else 0.0
        return EventStream(teller.begin(), tell, teller.failed, patience=patience, quiet=self._settings.quiet)
