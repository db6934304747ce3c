"""The chat models that the contenders on LangChain ask."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from benchmarks.contenders.shape import MAX_TOKENS, MODEL, TEMPERATURE

__all__ = ["ANSWER", "InstantChatModel", "chat_openai"]

ANSWER = "Plan them backwards from the date on which they have to be out, and leave room for what goes wrong."


def chat_openai(url: str, **settings: Any) -> ChatOpenAI:
    """``ChatOpenAI`` as its documentation makes it, on its stock transport where none is given."""
    return ChatOpenAI(
        model=MODEL,
        base_url=url,
        api_key=SecretStr("none"),
        temperature=TEMPERATURE,
        max_tokens=MAX_TOKENS,
        max_retries=0,
        **settings,
    )


class InstantChatModel(BaseChatModel):
    """A chat model that answers at once, in the process that asks it."""

    @property
    def _llm_type(self) -> str:
        return "instant"

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        usage: Any = {"input_tokens": 10, "output_tokens": 20, "total_tokens": 30}
        return ChatResult(generations=[ChatGeneration(message=AIMessage(ANSWER, usage_metadata=usage))])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **_: Any,
    ) -> ChatResult:
        return self._generate(messages)
