"""What a chunk of an answer tells of its model's reasoning, in the forms that providers have for it."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessageChunk

__all__ = ["BESIDE", "BLOCKS", "thought_as_text", "thought_in", "thoughts_alone"]

BESIDE = "reasoning_content"
"""Name in ``additional_kwargs`` under which reasoning comes as a text beside the answer."""

BLOCKS = frozenset({"thinking", "redacted_thinking", "reasoning"})
"""Types of content blocks that hold reasoning, with what is needed to show it to its model again."""


def thoughts_alone(chunk: AIMessageChunk) -> AIMessageChunk | None:
    """The part of a chunk that is reasoning, as its provider gave it; None where there is none."""
    text = chunk.additional_kwargs.get(BESIDE)
    beside = {BESIDE: text} if isinstance(text, str) and text else {}
    blocks: list[Any] = [] if isinstance(chunk.content, str) else [*filter(_is_thought, chunk.content)]
    if not beside and not blocks:
        return None
    whose = {name: chunk.response_metadata[name] for name in ("model_provider",) if name in chunk.response_metadata}
    return AIMessageChunk(content=blocks or "", additional_kwargs=beside, response_metadata=whose)


def thought_as_text(text: str) -> AIMessageChunk:
    """Reasoning that came as a text beside the answer."""
    return AIMessageChunk(content="", additional_kwargs={BESIDE: text})


def thought_in(chunk: AIMessageChunk) -> str:
    """The words of a chunk's reasoning; none where its blocks are in such disorder that LangChain can't read them."""
    try:
        blocks = chunk.content_blocks
    except Exception:
        return ""
    return "".join(str(block.get("reasoning", "")) for block in blocks if block["type"] == "reasoning")


def _is_thought(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") in BLOCKS
