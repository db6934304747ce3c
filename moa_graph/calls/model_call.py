"""One request to a chat model: what it is told, how it shows in traces, and the shortest way to its answer."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from functools import lru_cache
from types import TracebackType
from typing import Any, cast

import langchain_core
from langchain_core.callbacks import (
    AsyncCallbackManagerForLLMRun,
    BaseCallbackHandler,
    BaseCallbackManager,
    Callbacks,
)
from langchain_core.globals import get_llm_cache
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tracers import context
from langchain_core.tracers._streaming import _StreamingCallbackHandler, _V2StreamingCallbackHandler
from langchain_core.utils.env import env_var_is_set
from langgraph.constants import TAG_NOSTREAM

from moa_graph.calls.mend import Attempt
from moa_graph.calls.node_context import NodeContext
from moa_graph.calls.protocol import streaming_chunks
from moa_graph.calls.request import AnswerRequest
from moa_graph.calls.sound import sound
from moa_graph.calls.streams import FirstTokens, LiveText, StreamReader
from moa_graph.calls.structured import parameters_for, tool_parameters
from moa_graph.calls.tracing import model_run
from moa_graph.models.abilities import abilities_of
from moa_graph.models.instruments import is_wrapped

__all__ = ["message_of"]

TOOL_SETTINGS = ("tool_choice", "strict", "parallel_tool_calls")
"""What of a request's parameters ``bind_tools`` is told."""


async def message_of(
    model: BaseChatModel,
    attempt: Attempt,
    request: AnswerRequest,
    node: NodeContext,
    number: int,
    reader: StreamReader | None,
    why_cancelled: Callable[[], str],
) -> AIMessage:
    """What the model answers.

    Args:
        model: Who is asked.
        attempt: With which prompt.
        request: What it is for.
        node: What the calls of its node share.
        number: Of the request, counted over the whole turn.
        reader: Reads along while the answer is streamed.
        why_cancelled: Says why, when the call is cancelled.

    Raises:
        Exception: Whatever the model raises.
    """
    parameters, messages = _parameters(model, attempt, request), attempt.prompt.messages()
    if isinstance(reader, FirstTokens | LiveText) and _can_stream(model):
        parameters["stream"] = True  # though nobody watches the answer
    together = request.together
    if together is not None and together.asks(attempt.member):
        parameters |= together.parameters
    else:
        together = None
    callbacks = node.config.get("callbacks")
    if together is None:
        answer = await _with_the_least(model, messages, parameters, reader, callbacks)
        if answer is not None:
            return answer
    traced = _traced(attempt, request, node, number, _with(reader, callbacks))
    with model_run(traced, attempt.member, why_cancelled) as config, _CancelledFromOutside():
        result = await model.agenerate([messages], **config, **parameters)
    if together is not None:
        return together.first_of(result)
    return sound(cast(ChatGeneration, result.generations[0][0]).message)


async def _with_the_least(
    model: BaseChatModel,
    messages: list[BaseMessage],
    parameters: dict[str, Any],
    reader: StreamReader | None,
    callbacks: Callbacks,
) -> AIMessage | None:
    """The answer without what LangChain does around a call, which takes most of its time; None where it is needed."""
    if not isinstance(callbacks, BaseCallbackManager) or not _is_left_alone(model, messages):
        return None
    unheard, streams = not callbacks.handlers, "stream" in parameters
    reads_beginning = isinstance(reader, FirstTokens | LiveText)
    if unheard and not reads_beginning and _needs_nothing_around(model, parameters):
        return await _directly(model, messages, parameters)
    if reader is not None and ((unheard and streams) or _only_the_graph_listens(model, callbacks)):
        return await _streamed(model, messages, parameters, reader)
    return await _with_cache(model, messages, parameters) if unheard and reader is None else None


def _is_left_alone(model: BaseChatModel, messages: list[BaseMessage]) -> bool:
    """Whether nothing of the model's own, and nobody outside, waits to be told of its calls.

    A method that somebody has wrapped, as instruments do, is somebody who listens. Content in blocks is left to
    LangChain to bring into one form.
    """
    return (
        not model.callbacks
        and not model.verbose
        and not is_wrapped(type(model).agenerate, langchain_core)
        and all(isinstance(message.content, str) for message in messages)
        and not _is_collected()
    )


def _only_the_graph_listens(model: BaseChatModel, callbacks: BaseCallbackManager) -> bool:
    """Whether a stream is watched, and by nobody but LangGraph, to which the reader passes on what is to be seen."""
    return (
        model.disable_streaming is False
        and all(type(handler).__module__.startswith("langgraph.pregel.") for handler in callbacks.handlers)
        and any(isinstance(handler, _StreamingCallbackHandler) for handler in callbacks.handlers)
        and not any(isinstance(handler, _V2StreamingCallbackHandler) for handler in callbacks.handlers)
    )


def _is_collected() -> bool:
    """Whether handlers that LangChain finds in context variables and the environment, call by call, are waiting there.

    Such are ``collect_runs`` and what libraries register. Where LangChain keeps them elsewhere, somebody may listen.
    """
    hooks = getattr(context, "_configure_hooks", None)
    return hooks is None or any(
        variable.get() is not None or (made is not None and setting is not None and env_var_is_set(setting))
        for variable, _, made, setting in hooks
    )


def _needs_nothing_around(model: BaseChatModel, parameters: dict[str, Any]) -> bool:
    """Whether LangChain would ask the model as it is: without a cache, a rate limiter, a stream or another form."""
    streams = model.disable_streaming is not True and getattr(model, "streaming", False)
    return (
        not streams
        and "stream" not in parameters
        and (model.cache is False or (model.cache is None and get_llm_cache() is None))
        and model.rate_limiter is None
        and model.output_version != "v1"
    )


async def _directly(model: BaseChatModel, messages: list[BaseMessage], parameters: dict[str, Any]) -> AIMessage:
    """The answer without what LangChain does around a call, which takes most of its processor time."""
    nobody: dict[str, Any] = {"run_manager": _NOBODY} if _takes_run_manager(type(model)) else {}
    with _CancelledFromOutside():
        result: ChatResult = await model._agenerate(messages, **nobody, **parameters)  # noqa: SLF001  (LangChain's hook)
    return _message_in(result)


_NOBODY = AsyncCallbackManagerForLLMRun.get_noop_manager()


@lru_cache(maxsize=256)
def _takes_run_manager(model: type[BaseChatModel]) -> bool:
    return "run_manager" in inspect.signature(model._agenerate).parameters  # noqa: SLF001  (LangChain's hook)


def _message_in(result: ChatResult) -> AIMessage:
    """The message, with the facts that LangChain puts beside it."""
    generation = result.generations[0]
    message = sound(generation.message)
    told = (result.llm_output, generation.generation_info, message.response_metadata)
    message.response_metadata = {name: value for facts in told for name, value in (facts or {}).items()}
    return message


async def _streamed(
    model: BaseChatModel, messages: list[BaseMessage], parameters: dict[str, Any], reader: StreamReader
) -> AIMessage | None:
    """The answer, which ``reader`` is shown as it comes; None where LangChain has to be asked for it."""
    stream: Callable[..., Awaitable[ChatResult | None]] | None = getattr(model, "stream_directly", None)
    asked = {name: value for name, value in parameters.items() if name != "stream"}
    if stream is None or not _needs_nothing_around(model, asked):
        return None
    with _CancelledFromOutside():
        result = await stream(messages, reader.read_together, **asked)
    return None if result is None else _message_in(result)


async def _with_cache(model: BaseChatModel, messages: list[BaseMessage], parameters: dict[str, Any]) -> AIMessage:
    """The answer with the model's own cache and rate limiter, and without the rest of ``agenerate``."""
    with _CancelledFromOutside():
        result: ChatResult = await model._agenerate_with_cache(messages, run_manager=_NOBODY, **parameters)  # noqa: SLF001  (hook)
    return sound(result.generations[0].message)


def _parameters(model: BaseChatModel, attempt: Attempt, request: AnswerRequest) -> dict[str, Any]:
    """Further parameters of the call."""
    parameters, tools = dict(request.parameters), request.prompt.tools
    if tools:
        settings = {name: parameters.pop(name) for name in TOOL_SETTINGS if name in parameters}
        parameters |= tool_parameters(model, tools, settings)
    if request.response_format is not None:
        parameters |= parameters_for(model, request.response_format, attempt.rung or "words", beside_tools=bool(tools))
    if abilities_of(model).takes_sample and attempt.member.settings.seed is None:
        parameters["sample"] = request.sample
    return parameters


def _can_stream(model: BaseChatModel) -> bool:
    kind = type(model)
    streams = kind._astream is not BaseChatModel._astream or kind._stream is not BaseChatModel._stream  # noqa: SLF001  (hooks)
    return streams and model.disable_streaming is not True


def _traced(
    attempt: Attempt, request: AnswerRequest, node: NodeContext, number: int, callbacks: Callbacks
) -> dict[str, Any]:
    """How the call is traced, and not shown as a message of its own: arguments for ``agenerate``.

    The node's callbacks bring its tags and metadata along. Merging whole configurations, as ``ainvoke`` does, would
    take as long as all else that is done for a call.
    """
    member = attempt.member
    return {
        "callbacks": callbacks,
        "run_name": f"{request.node}#{request.sample}" if request.sample else request.node,
        "tags": [TAG_NOSTREAM, request.kind, member.provider],
        "metadata": {
            "mixture": node.mixture,
            "stage": request.stage,
            "layer": request.order[0] + 1,
            "role": request.kind,
            "slot": request.slot,
            "sample": request.sample,
            "model": member.reference,
            "provider": member.provider,
            "attempt": number,
        },
    }


def _with(reader: BaseCallbackHandler | None, callbacks: Callbacks) -> Callbacks:
    """A node's callbacks, and one more."""
    if reader is None:
        return callbacks
    if isinstance(callbacks, BaseCallbackManager):
        callbacks = callbacks.copy()
        streaming_chunks(callbacks)
        callbacks.add_handler(reader)
        return callbacks
    return [*(callbacks or ()), reader]


class _CancelledFromOutside:
    """A ``with`` block whose cancellation is certain: it ends as cancelled just when somebody outside has cancelled it.

    A model may answer its cancellation with an error or even an answer: the block ends as cancelled all the same. Or it
    cancels itself, as one does that gave up a task of its own: then it has failed, and the run around it goes on.

    Raises:
        RuntimeError: The body was cancelled by nobody but itself.
    """

    __slots__ = ("_before", "_task")

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "models are asked in tasks"
        self._task, self._before = task, task.cancelling()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        is_cancelled = isinstance(error, asyncio.CancelledError)
        from_outside = self._task.cancelling() > self._before
        if from_outside and not is_cancelled:
            raise asyncio.CancelledError
        if is_cancelled and not from_outside:
            raise RuntimeError("the model's own code cancelled the call") from None
