"""Keeps what LangChain drops: a refusal that comes in a stream of OpenAI's protocol."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.outputs import ChatGenerationChunk

__all__ = ["telling_refusals"]


class _TellsRefusals:
    """Puts a streamed refusal where LangChain puts one that comes whole: among the ``additional_kwargs``."""

    def _convert_chunk_to_generation_chunk(self, chunk: dict[str, Any], *rest: Any) -> ChatGenerationChunk | None:
        converted: ChatGenerationChunk | None
        converted = super()._convert_chunk_to_generation_chunk(chunk, *rest)  # type: ignore[misc]
        for choice in chunk.get("choices") or ():
            if converted is not None and (refusal := (choice.get("delta") or {}).get("refusal")):
                converted.message.additional_kwargs["refusal"] = refusal
        return converted


@cache
def telling_refusals(chat_model: type[BaseChatModel]) -> Callable[..., BaseChatModel]:
    """``chat_model``, of langchain-openai or built on it, with refusals in its streams.

    Without them, a refusal that is streamed can't be told from an empty answer.
    """
    return cast(
        Callable[..., BaseChatModel], type(chat_model.__name__, (_TellsRefusals, chat_model), {"__module__": __name__})
    )
