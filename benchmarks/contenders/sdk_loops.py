"""What the loops on SDKs of OpenAI's shape have in common."""

from __future__ import annotations

from typing import Any

from benchmarks.client import Ask
from benchmarks.contenders.shape import MAX_TOKENS, MODEL, TEMPERATURE, Message, by_hand

__all__ = ["looping"]


def looping(sdk: Any) -> Ask:
    """The loop around a client's ``chat.completions.create``."""

    async def call(messages: list[Message]) -> str:
        answer = await sdk.chat.completions.create(
            model=MODEL, messages=messages, temperature=TEMPERATURE, max_tokens=MAX_TOKENS
        )
        return str(answer.choices[0].message.content)

    return by_hand(call)
