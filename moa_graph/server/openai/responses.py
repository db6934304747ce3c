"""``POST /v1/responses``, streamed and not; nothing is kept from one request to the next."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing

from moa_graph.server.openai.asgi import Receive, Scope, Send, body_of, send_json, while_there
from moa_graph.server.openai.errors import ApiError
from moa_graph.server.openai.narrator import Narrator
from moa_graph.server.openai.reading import parse
from moa_graph.server.openai.responses_answer import Resource
from moa_graph.server.openai.responses_events import ResponseEvents
from moa_graph.server.openai.responses_request import ResponseAsked, read_response
from moa_graph.server.openai.runner import Run, Runner
from moa_graph.server.openai.settings import Settings
from moa_graph.server.openai.sse import DONE, Put, Stream, send_events

__all__ = ["Responses"]


class Responses:
    """The endpoint.

    Args:
        runner: Runs mixtures.
        settings: How the server behaves.
    """

    def __init__(self, runner: Runner, settings: Settings) -> None:
        self._runner = runner
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        wanted = read_response(parse(await body_of(receive, self._settings.most_bytes)))
        scope["moa.model"] = wanted.asked.model
        run = self._runner.prepare(wanted.asked, scope.get("moa.owner", ""))
        resource = Resource(wanted.asked.model, wanted.echo)
        if wanted.asked.stream:
            await send_events(receive, send, self._stream(wanted, run, resource))
        else:
            await send_json(send, await while_there(receive, self._whole(wanted, run, resource)))

    async def _whole(self, wanted: ResponseAsked, run: Run, resource: Resource) -> bytes:
        outcome = await self._runner.outcome(run)
        return resource.body(outcome, run.left_out, summary=wanted.summary)

    def _stream(self, wanted: ResponseAsked, run: Run, resource: Resource) -> Stream:
        events: ResponseEvents | None = None

        async def tell(answering: Callable[[], None], put: Put) -> None:
            nonlocal events
            events = ResponseEvents(put, resource, run.left_out, summary=wanted.summary)
            events.begin()
            narrator = Narrator(events, answering, live=wanted.asked.live)
            async with aclosing(self._runner.parts(run, narrator.given)) as parts:
                await narrator.read(parts)
            put(DONE)

        def fail(error: ApiError) -> bytes:
            return b"" if events is None else events.failed(error) + DONE

        return Stream(tell, fail, patience=self._runner.patience, quiet=self._settings.quiet)
