"""A request in OpenAI's chat protocol, and what a reader finds in its messages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Required

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from moa_graph.models.simulation.draws import Draws
from moa_graph.views import read_references

__all__ = ["Conversation", "SimulatedRequest", "ToolResult", "WireMessage", "read_conversation", "text_of"]


class WireMessage(TypedDict, total=False):
    """A message of the chat protocol; fields that a simulated model doesn't read are left out."""

    role: Required[Literal["system", "developer", "user", "assistant", "tool", "function"]]
    content: str | list[dict[str, Any]] | None
    name: str | None
    tool_calls: list[dict[str, Any]] | None
    tool_call_id: str | None


class _OfferedFunction(TypedDict, total=False):
    """A function that may be called."""

    name: Required[str]
    description: str | None
    parameters: dict[str, Any] | None
    strict: bool | None


class _OfferedTool(TypedDict, total=False):
    """A tool that is offered; only functions can be called."""

    type: str
    function: _OfferedFunction


class SimulatedRequest(BaseModel):
    """What a simulated model is asked, in the field names of OpenAI's chat completions."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    model: str = Field(min_length=1)
    messages: list[WireMessage] = Field(min_length=1)
    tools: list[_OfferedTool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    seed: int | None = None
    n: int | None = Field(default=None, ge=1, le=128)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    stop: str | list[str] | None = None
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None

    @property
    def token_limit(self) -> int | None:
        """Most tokens of one answer, by its new name or its old one."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def stops(self) -> list[str]:
        """The texts before which an answer ends."""
        return [self.stop] if isinstance(self.stop, str) else self.stop or []

    def draws(self, seed: int, sample: int) -> Draws:
        """The draws of this request's answer number ``sample``; at temperature 0 a model repeats itself."""
        if self.temperature == 0:
            return Draws(seed)
        return Draws(seed, f"{self.seed}/{sample}")


def text_of(content: str | list[dict[str, Any]] | None) -> str:
    """The text of a message's content, written plainly or in parts."""
    if isinstance(content, list):
        return "\n".join(str(part.get("text") or "") for part in content if part.get("type") == "text")
    return content or ""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool gave back in this turn."""

    tool: str
    text: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a conversation asks now.

    Attributes:
        question: The last user message without fenced references; in a discussion of models the one before it.
        references: The fenced texts that the reader is shown, in order.
        results: What tools gave back since that message, in order.
    """

    question: str
    references: tuple[str, ...] = ()
    results: tuple[ToolResult, ...] = ()


_FENCED_PART = re.compile(
    r"^<<[^\n]* \| (?P<mark>[0-9a-f]{12})>>$.*^<<end of [^\n]* \| (?P=mark)>>$", re.DOTALL | re.MULTILINE
)


def read_conversation(messages: Sequence[WireMessage]) -> Conversation:
    """What ``messages`` ask; references are looked for in system messages and in the last user message."""
    last_user = max((i for i, message in enumerate(messages) if message["role"] == "user"), default=-1)
    question = _question(messages)
    references: list[str] = []
    for index, message in enumerate(messages):
        if index == last_user or message["role"] in ("system", "developer"):
            text = text_of(message.get("content"))
            if "<<" in text:
                references.extend(read_references(text))
    if "<<" in question:
        question = _FENCED_PART.sub("", question).strip()
    return Conversation(question, tuple(references), _tool_results(messages[last_user + 1 :]))


def _question(messages: Sequence[WireMessage]) -> str:
    """The last user message that isn't a turn of a discussion: such a turn holds references, and no question's end."""
    asked = [text_of(message.get("content")) for message in messages if message["role"] == "user"]
    questions = [text for text in asked if "<<end of question |" in text or not read_references(text)]
    return (questions or asked or [""])[-1]


def _tool_results(turn: Sequence[WireMessage]) -> tuple[ToolResult, ...]:
    names = {
        call.get("id"): call.get("function", {}).get("name", "")
        for message in turn
        for call in message.get("tool_calls") or ()
    }
    return tuple(
        ToolResult(
            names.get(message.get("tool_call_id")) or message.get("name") or "",
            text_of(message.get("content")),
        )
        for message in turn
        if message["role"] in ("tool", "function")
    )
