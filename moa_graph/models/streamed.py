"""A streamed answer of OpenAI's chat completions, put together again as the whole one that wasn't streamed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import ToolCallChunk
from langchain_core.messages.tool import tool_call_chunk

__all__ = ["StreamedAnswer"]


class StreamedAnswer:
    """The first choice of an answer whose events come one after another."""

    def __init__(self) -> None:
        self._facts: dict[str, Any] = {}
        self._texts: dict[str, list[str]] = {}
        self._calls: dict[int, dict[str, Any]] = {}
        self._finish_reason: str | None = None

    def take_in(self, events: Sequence[Mapping[str, Any]]) -> tuple[str, list[ToolCallChunk], str]:
        """What ``events`` add to the content, to the tool calls and to the reasoning."""
        said: list[str] = []
        thought: list[str] = []
        calls: list[ToolCallChunk] = []
        for event in events:
            self._facts.update(
                {name: value for name, value in event.items() if name != "choices" and value is not None}
            )
            for choice in event.get("choices") or ():
                if choice.get("index", 0) == 0:
                    self._take_choice(choice, said, calls, thought)
        return "".join(said), calls, "".join(thought)

    def _take_choice(
        self, choice: Mapping[str, Any], said: list[str], calls: list[ToolCallChunk], thought: list[str]
    ) -> None:
        self._finish_reason = choice.get("finish_reason") or self._finish_reason
        delta = choice.get("delta") or {}
        told = delta.get("reasoning_content") or delta.get("reasoning")  # servers that tell both mean the same
        if isinstance(told, str):
            thought.append(told)
        for name, value in delta.items():
            if name == "content" and value:
                said.append(value)
            if name == "tool_calls":
                calls.extend(self._take_call(one) for one in value or ())
            elif name != "role" and isinstance(value, str):
                self._texts.setdefault(name, []).append(value)

    def _take_call(self, piece: Mapping[str, Any]) -> ToolCallChunk:
        index, function = piece.get("index", 0), piece.get("function") or {}
        call = self._calls.setdefault(
            index, {"id": None, "type": "function", "function": {"name": "", "arguments": ""}}
        )
        call["id"] = call["id"] or piece.get("id")
        for part in ("name", "arguments"):
            call["function"][part] += function.get(part) or ""
        return tool_call_chunk(
            name=function.get("name"), args=function.get("arguments"), id=piece.get("id"), index=index
        )

    def whole(self) -> dict[str, Any]:
        """The answer as a response that wasn't streamed."""
        message: dict[str, Any] = {"role": "assistant", "content": None}
        message |= {name: "".join(texts) for name, texts in self._texts.items()}
        if self._calls:
            message["tool_calls"] = [self._calls[index] for index in sorted(self._calls)]
        is_done = self._facts.pop("is_done", False)  # some servers end a whole answer without a reason
        reason = self._finish_reason or ("stop" if is_done else None)
        return {**self._facts, "choices": [{"message": message, "finish_reason": reason}]}
