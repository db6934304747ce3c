"""Chat models that do what a test's script says, and write down what they were shown.

    model = scripted("qwen", "an answer", delay=2)
    model = scripted("qwen", provider_error(429, retry_after=3), "an answer")
    create_moa(proposers=[model], aggregator=scripted("writer", lambda asked: Reply(asked.text.upper())))
    assert [asked.at for asked in model.journal.asked] == [0, 3]

A mixture asks copies of a model: all of them share the journal of the original.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from copy import copy
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

__all__ = ["Asked", "Journal", "ProviderError", "Reply", "ScriptedModel", "provider_error", "scripted"]


@dataclass(frozen=True)
class Asked:
    """One request: its number from 0, what the model was shown, and when, on the loop's clock."""

    number: int
    messages: list[BaseMessage]
    at: float

    @property
    def text(self) -> str:
        """The last message's text."""
        return str(self.messages[-1].text)


@dataclass(frozen=True)
class Reply:
    """What a model does with one request.

    Args:
        text: Its answer.
        delay: Seconds before it answers, fails, or streams its first piece.
        error: Raised in place of the answer, or after ``pieces`` where some are given.
        pieces: What it streams; default: the text word by word.
        between: Seconds between pieces.
        usage: Prompt and output tokens; None leaves them unsaid.
        finish_reason: Why the answer ended; None leaves it unsaid.
        until: Awaited first.
    """

    text: str = "an answer"
    delay: float = 0.0
    error: BaseException | None = None
    pieces: Sequence[str] | None = None
    between: float = 0.0
    usage: tuple[int, int] | None = (10, 5)
    finish_reason: str | None = "stop"
    until: Callable[[], Awaitable[object]] | None = None

    @property
    def streamed(self) -> Sequence[str]:
        """The pieces in which the answer comes."""
        if self.pieces is not None:
            return self.pieces
        return () if self.error else [word + " " for word in self.text.split(" ")[:-1]] + self.text.split(" ")[-1:]


@dataclass
class Journal:
    """What a model and its copies lived through."""

    asked: list[Asked] = field(default_factory=list)
    in_flight: int = 0
    answered: int = 0
    cancelled: int = 0


class ProviderError(Exception):
    """An error as SDKs raise them: with a status, a body and headers."""

    def __init__(self, status: int, message: str, headers: dict[str, str]) -> None:
        self.status_code = status
        self.body = {"message": message}
        self.response = SimpleNamespace(status_code=status, headers=headers)
        super().__init__(status, message, headers)

    def __str__(self) -> str:
        return str(self.body["message"])


def provider_error(status: int, message: str = "no", *, retry_after: float | None = None) -> ProviderError:
    """A provider's error, with ``Retry-After`` in seconds where that is given."""
    return ProviderError(status, message, {} if retry_after is None else {"retry-after": f"{retry_after:g}"})


class ScriptedModel(BaseChatModel):
    """A chat model whose answers come from ``script``. It can only be asked asynchronously."""

    model: str
    script: Callable[[Asked], Reply]
    journal: Any
    temperature: float | None = None
    max_tokens: int | None = None

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        raise NotImplementedError("mixtures ask their models asynchronously")

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **_: Any,
    ) -> ChatResult:
        async with self._request(messages) as reply:
            if reply.error is not None:
                raise copy(reply.error)  # one that is kept would keep all that it has passed through
        message = AIMessage(reply.text, usage_metadata=_usage(reply), response_metadata=_metadata(reply))
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **_: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        async with self._request(messages) as reply:
            for number, piece in enumerate(reply.streamed):
                if number:
                    await asyncio.sleep(reply.between)
                chunk = ChatGenerationChunk(message=AIMessageChunk(content=piece))
                if run_manager is not None:
                    await run_manager.on_llm_new_token(piece, chunk=chunk)
                yield chunk
            if reply.error is not None:
                raise copy(reply.error)
        last = AIMessageChunk(content="", usage_metadata=_usage(reply), response_metadata=_metadata(reply))
        yield ChatGenerationChunk(message=last)

    def _request(self, messages: list[BaseMessage]) -> _InFlight:
        journal: Journal = self.journal
        asked = Asked(len(journal.asked), list(messages), asyncio.get_running_loop().time())
        journal.asked.append(asked)
        return _InFlight(journal, self.script(asked))


@dataclass
class _InFlight:
    journal: Journal
    reply: Reply

    async def __aenter__(self) -> Reply:
        self.journal.in_flight += 1
        try:
            if self.reply.until is not None:
                await self.reply.until()
            await asyncio.sleep(self.reply.delay)
        except BaseException:
            self._left(cancelled=True)
            raise
        return self.reply

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._left(cancelled=kind in (asyncio.CancelledError, GeneratorExit))
        self.journal.answered += kind is None

    def _left(self, *, cancelled: bool) -> None:
        self.journal.in_flight -= 1
        self.journal.cancelled += cancelled


def _usage(reply: Reply) -> UsageMetadata | None:
    if reply.usage is None:
        return None
    given, written = reply.usage
    return UsageMetadata(input_tokens=given, output_tokens=written, total_tokens=given + written)


def _metadata(reply: Reply) -> dict[str, Any]:
    return {} if reply.finish_reason is None else {"finish_reason": reply.finish_reason}


def scripted(
    name: str, *replies: str | Reply | BaseException | Callable[[Asked], Reply], delay: float = 0.0
) -> ScriptedModel:
    """A model called ``name`` that gives ``replies`` one after another, and the last of them from then on.

    Args:
        name: Label of its node.
        replies: A text, an error to raise, a whole :class:`Reply`, or a function of what is asked.
        delay: Seconds before each reply that doesn't say so itself.
    """
    script = replies or (f"{name}'s answer",)

    def reply_to(asked: Asked) -> Reply:
        reply = script[min(asked.number, len(script) - 1)]
        if isinstance(reply, Reply):
            return reply
        if isinstance(reply, BaseException):
            return Reply(error=reply, delay=delay)
        return Reply(reply, delay=delay) if isinstance(reply, str) else reply(asked)

    return ScriptedModel(model=name, script=reply_to, journal=Journal())
