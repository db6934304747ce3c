"""LangChain's classes for OpenAI's protocol, asked more directly and without losing what they drop.

The methods with an underscore are LangChain's hooks for chat models; there are no public ones for what is done here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import aclosing
from functools import cache
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, ToolCallChunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from moa_graph.models.direct import events_of, post
from moa_graph.models.instruments import is_wrapped
from moa_graph.models.streamed import StreamedAnswer
from moa_graph.models.tidy import encodable, tidy_answer, tidy_chunk

__all__ = ["adapted"]

_MEANT_FOR_THE_SDK = {"extra_headers", "extra_query", "timeout"}
"""Arguments of the SDK's method that aren't parameters of the request."""


class _AsksDirectly:
    """Sends the request that LangChain has made as it is, and reads the answer once.

    LangChain's way leads through the SDK's method for completions, which walks through the request a second time, makes
    objects of the answer, which LangChain turns back into a dictionary, and does that on another thread. That takes
    about half of a call's processor time. It is gone all the same where somebody has wrapped that method to see the
    calls, as OpenTelemetry, Langfuse and Sentry do.
    """

    async def _agenerate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        model = cast(Any, self)
        payload = model._get_request_payload(messages, stop=stop, **kwargs)  # noqa: SLF001
        if self._needs_the_sdk(payload):
            whole: ChatResult = await super()._agenerate(messages, stop, run_manager, **kwargs)  # type: ignore[misc]
            return whole
        answer = await post(model.root_async_client, _body_of(payload))
        result: ChatResult = model._create_chat_result(answer)  # noqa: SLF001
        return result

    async def stream_directly(
        self,
        messages: list[BaseMessage],
        tell: Callable[[str, list[ToolCallChunk], str], None],
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> ChatResult | None:
        """The whole answer, streamed and read once; None where LangChain has to be asked.

        Args:
            messages: The prompt.
            tell: Told of the text, the pieces of tool calls and the reasoning that arrived together, as they come.
            stop: Texts before which the answer ends.
            kwargs: Further parameters of the request.
        """
        model = cast(Any, self)
        if model._should_stream_usage(**kwargs):  # noqa: SLF001
            kwargs["stream_options"] = {"include_usage": True}
        payload = model._get_request_payload(messages, stop=stop, **kwargs, stream=True)  # noqa: SLF001
        if self._needs_the_sdk(payload) or "response_format" in payload or payload.get("logprobs"):
            return None
        answer = StreamedAnswer()
        async with aclosing(events_of(model.root_async_client, _body_of(payload))) as events:
            async for together in events:
                text, calls, thought = answer.take_in([tidy_chunk(event) for event in together])
                if text or calls or thought:
                    tell(text, calls, thought)
        result: ChatResult = model._create_chat_result(answer.whole())  # noqa: SLF001
        return result

    def _needs_the_sdk(self, payload: dict[str, Any]) -> bool:
        """Whether the request is for another part of the API, its answer is wanted with its headers, or is watched."""
        import openai  # by now LangChain has imported it

        model = cast(Any, self)
        return (
            is_wrapped(type(model.async_client).create, openai)
            or model.include_response_headers
            or model._use_responses_api(payload)  # noqa: SLF001
            or isinstance(payload.get("response_format"), type)
            or not _MEANT_FOR_THE_SDK.isdisjoint(payload)
        )


def _body_of(payload: Mapping[str, Any]) -> dict[str, Any]:
    """What is sent, as the SDK would put it together."""
    body = dict(payload)
    return body | (body.pop("extra_body", None) or {})


class _TellsWhatIsBesideTheText:
    """Reads what is usable of any answer, however much of it is in disorder.

    A refusal, and the reasoning that came before the answer, are put among the ``additional_kwargs``. LangChain keeps
    refusals that come in the SDK's objects there, and drops the reasoning of servers other than DeepSeek's, which call
    it ``reasoning_content`` or ``reasoning``.
    """

    def _get_request_payload(self, *given: Any, **kwargs: Any) -> dict[str, Any]:
        payload: dict[str, Any] = super()._get_request_payload(*given, **kwargs)  # type: ignore[misc]
        return encodable(payload) if "messages" in payload else payload

    def _create_chat_result(self, response: Any, *rest: Any) -> ChatResult:
        response = tidy_answer(response)
        result: ChatResult = super()._create_chat_result(response, *rest)  # type: ignore[misc]
        choices = response["choices"] if isinstance(response, dict) else ()
        for generation, choice in zip(result.generations, choices, strict=False):
            generation.message.additional_kwargs.update(_beside_the_text(choice["message"]))
        return result

    def _convert_chunk_to_generation_chunk(self, chunk: dict[str, Any], *rest: Any) -> ChatGenerationChunk | None:
        converted: ChatGenerationChunk | None
        chunk = tidy_chunk(chunk)
        converted = super()._convert_chunk_to_generation_chunk(chunk, *rest)  # type: ignore[misc]
        for choice in chunk.get("choices") or ():
            if converted is not None:
                converted.message.additional_kwargs.update(_beside_the_text(choice.get("delta") or {}))
        return converted


def _beside_the_text(message: Mapping[str, Any]) -> dict[str, str]:
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    told = {"refusal": message.get("refusal"), "reasoning_content": reasoning}
    return {name: text for name, text in told.items() if isinstance(text, str) and text}


@cache
def adapted(chat_model: type[BaseChatModel]) -> Callable[..., BaseChatModel]:
    """``chat_model``, of langchain-openai or built on it, asked directly and telling every refusal.

    Otherwise a refusal that is streamed couldn't be told from an empty answer.
    """
    bases = (_AsksDirectly, _TellsWhatIsBesideTheText, chat_model)
    return cast(Callable[..., BaseChatModel], type(chat_model.__name__, bases, {"__module__": __name__}))
