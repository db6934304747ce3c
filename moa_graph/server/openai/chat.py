"""``POST /v1/chat/completions``, streamed and not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from moa_graph.runs import Outcome
from moa_graph.server.openai.chat_answer import ChatChunks, completion
from moa_graph.server.openai.chat_request import ChatAsked, read_chat
from moa_graph.server.openai.runner import Run

__all__ = ["ChatCompletions"]


class ChatCompletions:
    """The protocol of chat completions."""

    def read(self, data: Mapping[str, Any], most_choices: int) -> ChatAsked:
        """What a body asks for; raises ApiError as :func:`read_chat`."""
        return read_chat(data, most_choices)

    def teller(self, wanted: ChatAsked, run: Run) -> ChatChunks:
        """Writes chunks."""
        asked = wanted.asked
        return ChatChunks(
            asked.model,
            run.left_out,
            asked.writing.max_tokens,
            with_usage=wanted.include_usage,
            old_calls=wanted.as_function_call,
        )

    def body(self, wanted: ChatAsked, run: Run, outcomes: Sequence[Outcome]) -> bytes:
        """A completion."""
        asked = wanted.asked
        return completion(asked.model, outcomes, run.left_out, asked.writing, old_calls=wanted.as_function_call)
