"""The giving of one simulated answer, plain or streamed, with what goes wrong in it."""

from __future__ import annotations

import asyncio

from moa_graph.models.simulation import Performance, Profile, SimulatedRequest, count_tokens
from moa_graph.models.simulation.faults import (
    BrokenStreamFault,
    GarbledFault,
    HangFault,
    MalformedFault,
    ResetFault,
)
from moa_graph.server.asgi import ClientGone
from moa_graph.server.simulator_connection import Connection
from moa_graph.server.simulator_stats import RequestCount
from moa_graph.server.simulator_wire import DONE, TimedChunk, answer_body, events_of, usage_of

__all__ = ["JSON_TYPE", "Answer"]

JSON_TYPE = (b"content-type", b"application/json")

_EVENTS_TYPE = (b"content-type", b"text/event-stream; charset=utf-8")
_MALFORMED = b'{"id": "chatcmpl-simulated", "choices": [{"message": {"role": "assistant", "content": "Half an ans'


class Answer:
    """One answer on its way to the client.

    Args:
        profile: Who answers.
        request: What was asked.
        performance: What is answered, when, and what goes wrong.
        count: Where it is counted.
        connection: Where it goes.
    """

    def __init__(
        self,
        profile: Profile,
        request: SimulatedRequest,
        performance: Performance,
        count: RequestCount,
        connection: Connection,
    ) -> None:
        self._price = profile.price
        self._request = request
        self._performance = performance
        self._count = count
        self._connection = connection

    async def give(self) -> None:
        """Send the answer, or fail as the performance says.

        Raises:
            ClientGone: The client closed the connection before the answer was whole.
        """
        match self._performance.fault:
            case HangFault():
                await self._connection.wait(None)
            case ResetFault():
                await self._connection.reset()
            case GarbledFault():
                await self._connection.garble()
            case MalformedFault():
                await self._malformed()
            case BrokenStreamFault(after=after):
                await self._broken(after)
            case _ if self._request.stream:
                await self._streamed()
            case _:
                await self._plain()

    async def _plain(self) -> None:
        if self._performance.duration:
            await self._connection.wait(self._performance.duration)
        await self._body(answer_body(self._performance, self._request.model, self._count.number))
        self._whole()

    async def _streamed(self) -> None:
        await self._start_events()
        await self._send_events(self._events())
        await self._connection.write(DONE)
        self._whole()

    async def _malformed(self) -> None:
        await self._connection.wait(self._performance.duration)
        if self._request.stream:
            await self._start_events()
            await self._connection.write(b"data: " + _MALFORMED + b"\n\n" + DONE)
        else:
            await self._body(_MALFORMED)

    async def _broken(self, after: float) -> None:
        """Send a part of the answer, of a stream never its end, and close the connection."""
        sent = ""
        if self._request.stream:
            events = self._events()
            shown = events[: min(int(len(events) * after), len(events) - 2)]
            await self._start_events()
            await self._send_events(shown)
            sent = "".join(piece for _, piece, _ in shown)
        else:
            await self._connection.wait(self._performance.duration)
            body = answer_body(self._performance, self._request.model, self._count.number)
            await self._body(body, shown=int(len(body) * after))
        self._cut(sent)
        await self._connection.close()

    def _events(self) -> list[TimedChunk]:
        return list(events_of(self._performance, self._request, self._count.number))

    async def _start_events(self) -> None:
        self._count.status(200)
        await self._connection.start([_EVENTS_TYPE])

    async def _send_events(self, events: list[TimedChunk]) -> None:
        sent = ""
        now = asyncio.get_running_loop().time
        due = now()  # of the whole stream: what a busy machine loses at one event is made up for at the next
        try:
            for seconds, piece, event in events:
                due += seconds
                if (early := due - now()) > 0:
                    await self._connection.wait(early)
                await self._connection.write(event, more=True)
                sent += piece
        except ClientGone:
            self._cut(sent)
            raise

    async def _body(self, body: bytes, shown: int | None = None) -> None:
        """Send a whole body, or only the first ``shown`` bytes of it."""
        self._count.status(200)
        await self._connection.start([JSON_TYPE, (b"content-length", b"%d" % len(body))])
        await self._connection.write(body[:shown], more=shown is not None)

    def _whole(self) -> None:
        usage = usage_of(self._performance)
        self._count.whole(usage["prompt_tokens"], usage["completion_tokens"], self._price)

    def _cut(self, sent: str) -> None:
        self._count.cut(self._performance.completions[0].prompt_tokens, count_tokens(sent), self._price)
