"""A model's message in a form that the rest can rely on, whatever its class and whatever a server made of it."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

__all__ = ["reasoning_characters", "sound"]


def sound(message: BaseMessage) -> AIMessage:
    """``message`` as an answer whose text can be read; what isn't usable is left out."""
    if isinstance(message, AIMessage) and _is_readable(message.content):
        return message
    kept: dict[str, Any] = {
        "content": message.content if _is_readable(message.content) else _readable(message.content),
        "additional_kwargs": message.additional_kwargs,
        "response_metadata": message.response_metadata,
    }
    if isinstance(message, AIMessage):
        kept |= {"tool_calls": message.tool_calls, "usage_metadata": message.usage_metadata}
    return AIMessage(**kept)


def reasoning_characters(message: AIMessage) -> int:
    """Characters of reasoning that came beside the answer, by any name that servers give it."""
    found = [message.additional_kwargs.get(name) for name in ("reasoning_content", "reasoning", "thinking")]
    return max((len(text) for text in found if isinstance(text, str)), default=0)


def _is_readable(content: Any) -> bool:
    return isinstance(content, str) or (isinstance(content, list) and all(map(_is_block, content)))


def _is_block(block: Any) -> bool:
    if isinstance(block, str):
        return True
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        return False
    return block["type"] != "text" or isinstance(block.get("text"), str)


def _readable(content: Any) -> list[Any] | str:
    return [block for block in content if _is_block(block)] if isinstance(content, list) else str(content)
