"""Chat models that do what a test's script says, and write down what they were shown.

    model = scripted("qwen", "an answer", delay=2)
    model = scripted("qwen", provider_error(429, retry_after=3), "an answer")
    create_moa(proposers=[model], aggregator=scripted("writer", lambda asked: Reply(asked.text.upper())))
    assert [asked.at for asked in model.journal.asked] == [0, 3]

    writer = scripted("writer", calling("add", a=1, b=2), "It is 3.")
    agent = create_agent(ChatMoA(proposers=[model], aggregator=writer), [add])

A mixture asks copies of a model: all of them share the journal of the original.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool

__all__ = [
    "Asked",
    "Journal",
    "ProviderError",
    "Reply",
    "ScriptedModel",
    "ToolCallingModel",
    "calling",
    "provider_error",
    "scripted",
]

SETTINGS = ("temperature", "max_tokens", "top_p", "seed")


@dataclass(frozen=True)
class Asked:
    """One request.

    Args:
        number: From 0.
        messages: What the model was shown.
        at: When, on the loop's clock.
        settings: What was asked beside the messages: ``tools``, ``tool_choice``, ``stop``, ``temperature`` and so on.
    """

    number: int
    messages: list[BaseMessage]
    at: float
    settings: Mapping[str, Any] = field(default_factory=dict)

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
        message: A whole message in place of the text, for calls of tools (see :func:`calling`), content in blocks,
            ``additional_kwargs`` or a usage of its own; ``usage`` and ``finish_reason`` don't hold for it.
    """

    text: str = "an answer"
    delay: float = 0.0
    error: BaseException | None = None
    pieces: Sequence[str] | None = None
    between: float = 0.0
    usage: tuple[int, int] | None = (10, 5)
    finish_reason: str | None = "stop"
    until: Callable[[], Awaitable[object]] | None = None
    message: AIMessage | None = None

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


def calling(name: str, identity: str = "call_1", **arguments: Any) -> AIMessage:
    """A message that calls one tool.

    Args:
        name: The tool's.
        identity: The call's, which the tool's message refers to.
        **arguments: What the tool is given.
    """
    return AIMessage("", tool_calls=[{"name": name, "args": arguments, "id": identity, "type": "tool_call"}])


class ScriptedModel(BaseChatModel):
    """A chat model whose answers come from ``script``. It can only be asked asynchronously, and takes no tools."""

    model: str
    script: Callable[[Asked], Reply]
    journal: Any
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    seed: int | None = None

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
        **asked: Any,
    ) -> ChatResult:
        async with self._request(messages, {**asked, "stop": stop}) as reply:
            if reply.error is not None:
                raise copy(reply.error)  # one that is kept would keep all that it has passed through
        message = AIMessage(reply.text, usage_metadata=_usage(reply), response_metadata=_metadata(reply))
        whole = message if reply.message is None else reply.message.model_copy()
        return ChatResult(generations=[ChatGeneration(message=whole)])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **asked: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        async with self._request(messages, {**asked, "stop": stop}) as reply:
            if reply.message is not None and reply.error is None:
                yield ChatGenerationChunk(message=_in_one_chunk(reply.message))
                return
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

    def _request(self, messages: list[BaseMessage], asked_for: Mapping[str, Any]) -> _InFlight:
        journal: Journal = self.journal
        own = {name: getattr(self, name) for name in SETTINGS}
        settings = {name: value for name, value in {**own, **asked_for}.items() if value is not None}
        asked = Asked(len(journal.asked), list(messages), asyncio.get_running_loop().time(), settings)
        journal.asked.append(asked)
        return _InFlight(journal, self.script(asked))


class ToolCallingModel(ScriptedModel):
    """A scripted model that takes tools: ``asked.settings["tools"]`` says which it was offered."""

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """This model with ``tools``, in OpenAI's format."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)


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


def _in_one_chunk(message: AIMessage) -> AIMessageChunk:
    calls = [
        tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=index)
        for index, call in enumerate(message.tool_calls)
    ]
    return AIMessageChunk(
        content=message.content,
        additional_kwargs=message.additional_kwargs,
        tool_call_chunks=calls,
        response_metadata=message.response_metadata,
        usage_metadata=message.usage_metadata,
    )


def scripted(
    name: str,
    *replies: str | AIMessage | Reply | BaseException | Callable[[Asked], Reply],
    delay: float = 0.0,
    takes_tools: bool | None = None,
    **fields: Any,
) -> ScriptedModel:
    """A model called ``name`` that gives ``replies`` one after another, and the last of them from then on.

    Args:
        name: Label of its node.
        replies: A text, a whole message, an error to raise, a whole :class:`Reply`, or a function of what is asked.
        delay: Seconds before each reply that doesn't say so itself.
        takes_tools: Whether tools can be bound to it; by default, where a reply is a whole message.
        **fields: Other fields of the chat model, such as ``profile`` or ``disable_streaming``.
    """
    script = replies or (f"{name}'s answer",)

    def reply_to(asked: Asked) -> Reply:
        reply = script[min(asked.number, len(script) - 1)]
        if isinstance(reply, Reply):
            return reply
        if isinstance(reply, BaseException):
            return Reply(error=reply, delay=delay)
        if isinstance(reply, AIMessage):
            return Reply(message=reply, delay=delay)
        return Reply(reply, delay=delay) if isinstance(reply, str) else reply(asked)

    whole = any(isinstance(one, AIMessage) or (isinstance(one, Reply) and one.message is not None) for one in script)
    kind = ToolCallingModel if (whole if takes_tools is None else takes_tools) else ScriptedModel
    return kind(model=name, script=reply_to, journal=Journal(), **fields)
