"""What a request asks for, whichever protocol it came in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from langchain_core.messages import BaseMessage

__all__ = ["ModelRequest", "Writing"]


EFFORTS = {
    "none": "off", "minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high",
}  # fmt: skip
"""OpenAI's words for how long to think, and those of ``ModelSettings``."""


@dataclass(frozen=True)
class Writing:
    """What is asked of the model that writes the answer; None where nothing is.

    Args:
        tools: Tools that it may call, as OpenAI's chat completions write them.
        tool_choice: ``auto``, ``required`` or the name of the one to call.
        parallel_tool_calls: Whether it may call several at once.
        response_format: The response format, as OpenAI writes it.
        stop: Texts before which the answer ends.
        max_tokens: Most tokens of the answer.
        temperature: From 0 to 2.
        reasoning_effort: How long it shall think, in OpenAI's words.
        sampling: Further parameters by OpenAI's names: ``top_p``, ``seed``, penalties.
    """

    tools: tuple[dict[str, Any], ...] = ()
    tool_choice: str | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    stop: tuple[str, ...] = ()
    max_tokens: int | None = None
    temperature: float | None = None
    reasoning_effort: str | None = None
    sampling: Mapping[str, Any] = field(default_factory=dict)

    def parameters(self) -> dict[str, Any]:
        """The parameters of the model that writes, as fields of ``ModelSettings``."""
        given: dict[str, Any] = {"temperature": self.temperature, "max_tokens": self.max_tokens}
        given |= {name: self.sampling.get(name) for name in ("top_p", "seed")}
        given["reasoning"] = EFFORTS.get(self.reasoning_effort or "")
        return {name: value for name, value in given.items() if value is not None}

    def effort_left_out(self) -> dict[str, str]:
        """What of ``reasoning_effort`` isn't done, for the report: models know three degrees of it."""
        done = EFFORTS.get(self.reasoning_effort or "")
        if done in (None, "off", self.reasoning_effort):
            return {}
        return {"reasoning_effort": f"models are asked for '{done}', the nearest to '{self.reasoning_effort}'"}

    def extras(self) -> dict[str, Any]:
        """Parameters that only OpenAI's protocol has; what changes nothing is left out."""
        return {name: value for name, value in self.sampling.items() if name not in ("top_p", "seed") and value}


@dataclass(frozen=True)
class ModelRequest:
    """One request.

    Args:
        model: The name that the client wrote.
        messages: The conversation.
        writing: What is asked of the model that writes.
        options: The mixture's run-time options, as the body's field ``moa`` holds them.
        stream: Whether the answer is streamed.
        live: Whether every event of the run is streamed, and each slot's text while it is written.
        left_out: What was asked for and is not done, by field, with the reason. The report names it.
    """

    model: str
    messages: list[BaseMessage]
    writing: Writing = field(default_factory=Writing)
    options: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = False
    live: bool = False
    left_out: Mapping[str, str] = field(default_factory=dict)

    def for_choice(self, index: int) -> ModelRequest:
        """The request for one of several answers: equal seeds would make them alike, so each has its own."""
        if index == 0:
            return self
        sampling = {**self.writing.sampling, "seed": (self.writing.sampling.get("seed") or 0) + index}
        return replace(self, writing=replace(self.writing, sampling=sampling))
