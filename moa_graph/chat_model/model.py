"""``ChatMoA``: a mixture wherever a LangChain chat model goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from functools import partial
from pathlib import Path
from typing import Any, Literal

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun, Callbacks
from langchain_core.callbacks.manager import BaseRunManager
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult, LLMResult
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ValidationError

from moa_graph.chat_model.answers import StreamedSoFar, last_chunk, whole_answer
from moa_graph.chat_model.call_options import by_our_names, refuse_if_nothing_writes
from moa_graph.chat_model.described import DescribedModel, RunRequest
from moa_graph.chat_model.kept_advice import AdviceKeeper
from moa_graph.chat_model.place import below, detached, noting_its_run
from moa_graph.chat_model.progress import Watchers
from moa_graph.chat_model.pump import pumped, pumped_from_thread
from moa_graph.chat_model.structured import structured
from moa_graph.chat_model.token_usage import counted_once
from moa_graph.errors import MixtureError, MoaError
from moa_graph.mixture import Mixture
from moa_graph.response_format import ResponseFormat
from moa_graph.runs import Outcome, Token, follow, run
from moa_graph.stage_kit.node import loop_thread
from moa_graph.store import Store

__all__ = ["ChatMoA"]

ToolLike = dict[str, Any] | type | Callable[..., Any] | BaseTool


class ChatMoA(DescribedModel):
    """A mixture as a chat model, for use wherever a single model goes: in chains, agents, supervisors and swarms.

    Only the model that writes the answer calls tools. The others advise: they see the conversation with tool
    calls and results as text. In a loop of tool calls they are asked once: what they said is kept with the agent's
    thread, the message that calls tools refers to it, and the report says what was saved.

    >>> from moa_graph import ChatMoA
    >>> model = ChatMoA("moa-lite", simulate=True)
    >>> model.invoke("What is 17 * 24?").text.splitlines()[-1]
    'Answer: 408'

    Args:
        mixture: As for :func:`moa_graph.create_moa`; or leave it out and give models.
        proposers: Models that answer side by side.
        aggregator: The model that writes the answer.
        layers: As the paper counts; default: 2.
        simulate: As for :func:`moa_graph.create_moa`.
        substitute: As for :func:`moa_graph.create_moa`.
        store: As for :func:`moa_graph.create_moa`.
        temperature: For the model that writes the answer; default: as the mixture says.
        max_tokens: Most output tokens of the model that writes the answer; default: as the mixture says.
        top_p: Nucleus sampling for that model; default: as the mixture says.
        seed: For that model's sampling; default: as the mixture says.
        reasoning: How much that model thinks: an effort, or a budget in tokens; default: as the mixture says.
        timeout: Seconds for the answer of that model, retries included; default: as the mixture says.
        max_retries: Retries of that model after a failed request; default: as the mixture says.
        model: Another name for ``mixture``, as other chat models call it.
        api_key: Accepted where no model of the mixture needs a key; the others take theirs from the environment.
        stop: Stop sequences: the answer ends before them.
        advise: When the other models are asked: once in a user's turn, once in a conversation, or at every call.
        keep_advice: Where the panel's texts are kept for a loop of tool calls: ``apart``, with the agent's thread where
            a checkpointer keeps that, and for an hour in this process's memory; or ``in_message``, in its metadata,
            for conversations that go from process to process without a checkpointer. Middleware that redacts answers
            doesn't look in there.
        redact: Applied to every text of the panel's before it is kept.
        tools: Who is offered tools: the aggregator, or all; what a proposer would call is shown as text.
        on_degraded: Whether an answer that is less than what the mixture describes is given, or an error raised. Where
            tools or a response format are requested, the writing model's error is always raised.
        options: Run-time options of the mixture.
        streaming: Whether ``invoke`` streams as well, for whoever listens to its tokens.

    Raises:
        MixtureError: The description can't work, or mixtures are nested deeper than three.
        OptionsError: An option is unknown or out of its bounds.
    """

    def __init__(
        self,
        mixture: str | Path | Mixture | Mapping[str, Any] | None = None,
        *,
        store: str | Path | Store | None = None,
        model: str | Path | Mixture | Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> None:
        if model is not None and mixture is not None and model != mixture:
            raise MixtureError("model: this is another name for mixture: give only one of them")
        try:
            super().__init__(mixture=model if mixture is None else mixture, store=store, **by_our_names(fields))
        except ValidationError as error:
            ours = [problem.get("ctx", {}).get("error") for problem in error.errors()]
            raise next((one for one in ours if isinstance(one, MoaError)), error) from None

    def invoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        """As every chat model."""
        return super().invoke(input, noting_its_run(config), **kwargs)

    async def ainvoke(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AIMessage:
        """As every chat model."""
        return await super().ainvoke(input, noting_its_run(config), **kwargs)

    def stream(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[AIMessageChunk]:
        """As every chat model.

        Raises:
            AnswerBeganAgain: The answer was restarted after its first tokens.
        """
        return super().stream(input, noting_its_run(config), **kwargs)

    def astream(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[AIMessageChunk]:
        """As every chat model.

        Raises:
            AnswerBeganAgain: The answer was restarted after its first tokens.
        """
        return super().astream(input, noting_its_run(config), **kwargs)

    def generate(
        self,
        messages: list[list[BaseMessage]],
        stop: list[str] | None = None,
        callbacks: Callbacks = None,
        **kwargs: Any,
    ) -> LLMResult:
        """As every chat model. Its tokens are counted once: see ``moa_graph.chat_model.token_usage``."""
        return super().generate(messages, stop, counted_once(callbacks, asynchronous=False), **kwargs)

    async def agenerate(
        self,
        messages: list[list[BaseMessage]],
        stop: list[str] | None = None,
        callbacks: Callbacks = None,
        **kwargs: Any,
    ) -> LLMResult:
        """As every chat model. Its tokens are counted once: see ``moa_graph.chat_model.token_usage``."""
        return await super().agenerate(messages, stop, counted_once(callbacks, asynchronous=True), **kwargs)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        kept = AdviceKeeper.of_context(self.advise, self.keep_advice)
        messages = await kept.aput_back(messages)
        result = await self._answer(messages, self._asked(messages, stop, kwargs), run_manager)
        await kept.atake_off(result.generations[0].message)
        return result

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        kept = AdviceKeeper.of_context(self.advise, self.keep_advice)
        messages = kept.put_back(messages)
        result = loop_thread().call(self._answer, messages, self._asked(messages, stop, kwargs), run_manager)
        kept.take_off(result.generations[0].message)
        return result

    async def _answer(
        self, messages: list[BaseMessage], asked: RunRequest, run_manager: BaseRunManager | None
    ) -> ChatResult:
        options, settings, before = asked
        config, watchers = RunnableConfig(callbacks=below(run_manager)), Watchers.of(run_manager)
        if watchers:
            parts = follow(self._compiled, messages, options=options, answer=settings, config=config, tokens=False)
            answering = watchers.told(parts)
        else:
            answering = run(self._compiled, messages, options=options, answer=settings, config=config)
        outcome = await asyncio.create_task(answering, context=detached())
        return ChatResult(generations=[ChatGeneration(message=whole_answer(outcome, settings.stop, before))])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        kept, watchers = AdviceKeeper.of_context(self.advise, self.keep_advice), Watchers.of(run_manager)
        messages = await kept.aput_back(messages)
        source = partial(self._chunks, messages, self._asked(messages, stop, kwargs), run_manager, watchers)
        async with aclosing(pumped(source, detached())) as chunks:
            async for chunk in chunks:
                await kept.atake_off(chunk.message)
                yield chunk

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        kept, watchers = AdviceKeeper.of_context(self.advise, self.keep_advice), Watchers.of(run_manager)
        messages = kept.put_back(messages)
        source = partial(self._chunks, messages, self._asked(messages, stop, kwargs), run_manager, watchers)
        with closing(pumped_from_thread(source, detached())) as chunks:
            for chunk in chunks:
                kept.take_off(chunk.message)
                yield chunk

    async def _chunks(
        self,
        messages: list[BaseMessage],
        asked: RunRequest,
        run_manager: BaseRunManager | None,
        watchers: Watchers,
    ) -> AsyncGenerator[ChatGenerationChunk, None]:
        """The answer's chunks as the model that writes it gives them, and its metadata with the last."""
        options, settings, before = asked
        streamed = StreamedSoFar()
        config = RunnableConfig(callbacks=below(run_manager))
        parts = follow(self._compiled, messages, options=options, answer=settings, config=config)
        async with aclosing(parts):
            async for part in parts:
                if isinstance(part, Token):
                    yield streamed.passed_on(part.chunk)
                elif isinstance(part, Outcome):
                    thoughts = streamed.thinks_in(part.message.id)
                    answer = whole_answer(part, settings.stop, before)
                    yield last_chunk(answer, streamed=streamed.answer, thoughts=thoughts)
                elif part["type"] == "reset":
                    streamed.begins_again(part["reason"])
                else:
                    await watchers.tell(part)

    def bind_tools(
        self, tools: Sequence[ToolLike], *, tool_choice: Any = None, strict: bool | None = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """This mixture with ``tools`` available to the model that writes the answer.

        Args:
            tools: Anything that LangChain can turn into a tool.
            tool_choice: As that model's own ``bind_tools`` takes it.
            strict: Whether calls must fit the tools' schemas exactly, where the provider can enforce it.
            **kwargs: ``parallel_tool_calls`` and ``response_format``.

        Raises:
            MixtureError: The mixture's last stage writes nothing.
        """
        refuse_if_nothing_writes(self._graph)
        strict = self._strict if strict is None else strict
        offered = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
        given = {"tool_choice": tool_choice, "strict": strict, **kwargs}
        return self.bind(tools=offered, **{name: value for name, value in given.items() if value is not None})

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        method: Literal["json_schema", "json_mode", "function_calling"] = "json_schema",
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """This mixture with answers as ``schema`` says: dicts, or instances of a pydantic class.

        The answer is checked within the run; one that doesn't fit goes back to its model once, with what is wrong.

        Args:
            schema: A pydantic class, a ``TypedDict``, a JSON Schema or a tool's description.
            method: ``function_calling`` requests the answer as the arguments of a tool. With the others the model that
                writes is asked in the way that it supports.
            include_raw: Give back ``{"raw": ..., "parsed": ..., "parsing_error": ...}``.
            strict: Whether the provider should enforce the schema exactly, where it can.
            **kwargs: For ``function_calling``.

        Raises:
            MixtureError: The mixture's last stage writes nothing.
            InputError: ``schema`` is not a format for an answer, or there is no such ``method``.
        """
        if method == "function_calling":
            asked = self.model_copy()
            asked._strict = strict  # noqa: SLF001  (a copy of this very class)
            return super(ChatMoA, asked).with_structured_output(schema, include_raw=include_raw, **kwargs)
        refuse_if_nothing_writes(self._graph)
        ResponseFormat.of(schema, strict=bool(strict))
        return structured(self, schema, method, include_raw=include_raw, strict=strict)
