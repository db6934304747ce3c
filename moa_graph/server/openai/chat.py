"""``POST /v1/chat/completions``, streamed and not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any

from langchain_core.messages.tool import ToolCallChunk

from moa_graph.runs import Outcome
from moa_graph.server.openai.asgi import Receive, Scope, Send, body_of, send_json, while_there
from moa_graph.server.openai.chat_answer import ChatChunks, completion, moa_of
from moa_graph.server.openai.chat_request import ChatAsked, read_chat
from moa_graph.server.openai.errors import ApiError, refused
from moa_graph.server.openai.narrator import Narrator
from moa_graph.server.openai.reading import parse
from moa_graph.server.openai.runner import Run, Runner
from moa_graph.server.openai.settings import Settings
from moa_graph.server.openai.sse import DONE, Put, Stream, event, send_events

__all__ = ["ChatCompletions"]


class ChatCompletions:
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
        data = parse(await body_of(receive, self._settings.most_bytes))
        chat = read_chat(data, self._settings.most_choices)
        scope["moa.model"] = chat.asked.model
        if chat.asked.stream and chat.choices > 1:
            raise refused("n", "A stream holds one answer: leave 'n' out, or 'stream'.")
        owner = scope.get("moa.owner", "")
        runs = [self._runner.prepare(chat.asked.for_choice(index), owner) for index in range(chat.choices)]
        if chat.asked.stream:
            await send_events(receive, send, self._stream(chat, runs[0]))
        else:
            await send_json(send, await while_there(receive, self._whole(chat, runs)))

    async def _whole(self, chat: ChatAsked, runs: list[Run]) -> bytes:
        outcomes = await asyncio.gather(*(self._runner.outcome(run) for run in runs))
        asked = chat.asked
        return completion(asked.model, outcomes, runs[0].left_out, asked.writing, old_calls=chat.as_function_call)

    def _stream(self, chat: ChatAsked, run: Run) -> Stream:
        chunks = ChatChunks(chat.asked.model, with_usage=chat.include_usage, old_calls=chat.as_function_call)

        async def tell(answering: Callable[[], None], put: Put) -> None:
            put(chunks.role())
            narrator = Narrator(
                _Teller(chunks, put, run, with_usage=chat.include_usage), answering, live=chat.asked.live
            )
            async with aclosing(self._runner.parts(run, narrator.given)) as parts:
                await narrator.read(parts)
            put(DONE)

        return Stream(tell, _failed, patience=self._runner.patience, quiet=self._settings.quiet)


def _failed(error: ApiError) -> bytes:
    return event({"error": error.to_data()})


class _Teller:
    """Writes a run as chunks."""

    def __init__(self, chunks: ChatChunks, put: Put, run: Run, *, with_usage: bool) -> None:
        self._chunks = chunks
        self._put = put
        self._run = run
        self._with_usage = with_usage

    def told(self, told: Mapping[str, Any], reasoning: str) -> None:
        self._put(self._chunks.told(told, reasoning))

    def text(self, text: str) -> None:
        self._put(self._chunks.text(text))

    def call(self, index: int, piece: ToolCallChunk, identity: str | None) -> None:
        self._put(self._chunks.call(index, piece, identity))

    def end(self, outcome: Outcome) -> None:
        self._put(self._chunks.end(outcome.message, moa_of(outcome, self._run.left_out)))
        if self._with_usage:
            self._put(self._chunks.usage(outcome, self._run.asked.writing.max_tokens))
