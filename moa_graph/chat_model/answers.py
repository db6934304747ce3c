"""What a run of the graph gave, as a chat model's message and chunks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk

from moa_graph.advice import ADVICE
from moa_graph.calls.thoughts import BESIDE, BLOCKS
from moa_graph.chat_model.turn import TURN, TurnSpending, with_report
from moa_graph.errors import AnswerBeganAgain
from moa_graph.runs import Outcome
from moa_graph.state import Usage

__all__ = ["StreamedSoFar", "began_again", "last_chunk", "whole_answer"]


STREAMED = frozenset({"text", "tool_use", "tool_call", "function_call"})
"""Types of the blocks that are the answer itself."""


def whole_answer(outcome: Outcome, stop: Sequence[str], before: TurnSpending) -> AIMessage:
    """The answer of a run: its metadata holds the report, its usage that of all calls together.

    Args:
        outcome: What the run gave.
        stop: Texts before which the answer ends, whoever wrote it.
        before: What the user's turn had spent before.
    """
    written, report = outcome.message, outcome.report
    metadata = {
        "model_name": report["mixture"],
        "mixture": report["mixture"],
        "writer": written.response_metadata["model_name"],
        "finish_reason": written.response_metadata["finish_reason"],
        "report": report,
        TURN: with_report(before, report),
    }
    if ADVICE in written.response_metadata:
        metadata[ADVICE] = written.response_metadata[ADVICE]
    return AIMessage(
        content=_until(stop, written.text) if _ends_at(stop, written.text) else written.content,
        additional_kwargs=written.additional_kwargs,
        tool_calls=written.tool_calls,
        response_metadata=metadata,
        usage_metadata=_usage(report["usage"]),
    )


class StreamedSoFar:
    """What of an answer a reader of its chunks has had.

    Attributes:
        answer: Whether any of its text or tool calls.
        thoughts: Whether any of its reasoning.
        blocks: Whether that was blocks, which are shown to their model again, rather than a text beside the answer.
    """

    def __init__(self) -> None:
        self.answer = self.thoughts = self.blocks = False
        self._message: str | None = None

    def passed_on(self, chunk: AIMessageChunk) -> ChatGenerationChunk:
        """A chunk of the answer as the model which writes it gave it."""
        is_answer = bool(chunk.text or chunk.tool_call_chunks)
        self.answer = self.answer or is_answer
        if not is_answer:
            self.thoughts, self._message = True, chunk.id
            self.blocks = self.blocks or not isinstance(chunk.content, str)
        return ChatGenerationChunk(
            message=AIMessageChunk(
                content=chunk.content,
                additional_kwargs=chunk.additional_kwargs,
                tool_call_chunks=chunk.tool_call_chunks,
            )
        )

    def begins_again(self, reason: str) -> None:
        """Goes on where no more was streamed than reasoning beside the answer.

        Raises:
            AnswerBeganAgain: What was streamed would be part of the merged message, and can't be taken back.
        """
        if self.answer or self.blocks:
            raise began_again(reason)

    def thinks_in(self, message_id: str | None) -> bool:
        """Whether the reasoning of this very message was streamed."""
        return self.thoughts and message_id == self._message


def last_chunk(answer: AIMessage, *, streamed: bool, thoughts: bool = False) -> ChatGenerationChunk:
    """What remains of an answer.

    Args:
        answer: The whole answer.
        streamed: Whether its text and tool calls were streamed.
        thoughts: Whether its reasoning was.
    """
    calls = [
        tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=index)
        for index, call in enumerate(answer.tool_calls)
    ]
    return ChatGenerationChunk(
        message=AIMessageChunk(
            content=_left(answer.content, streamed=streamed, thoughts=thoughts),
            additional_kwargs={
                name: value for name, value in answer.additional_kwargs.items() if not (thoughts and name == BESIDE)
            },
            tool_call_chunks=[] if streamed else calls,
            response_metadata=answer.response_metadata,
            usage_metadata=answer.usage_metadata,
            chunk_position="last",
        )
    )


def began_again(reason: str) -> AnswerBeganAgain:
    """The error that ends a stream whose answer was restarted, with the reason."""
    return AnswerBeganAgain(
        f"the answer was restarted after its first tokens had been streamed ({reason}). Ask again, or stream the graph "
        "itself, whose reset event says which tokens to drop."
    )


def _left(
    content: str | list[str | dict[str, Any]], *, streamed: bool, thoughts: bool
) -> str | list[str | dict[str, Any]]:
    """What of an answer's content nobody has seen yet."""
    if isinstance(content, str):
        return "" if streamed else content
    seen = (STREAMED if streamed else frozenset()) | (BLOCKS if thoughts else frozenset())
    left = [one for one in content if not (isinstance(one, dict) and one.get("type") in seen)]
    if not streamed:
        return left or ""
    return [*(one for one in left if isinstance(one, dict)), *map(_beside_text, filter(_has_more, content))] or ""


def _has_more(block: str | dict[str, Any]) -> bool:
    """Whether a block of text says more than its text, such as citations."""
    return isinstance(block, dict) and block.get("type") == "text" and not block.keys() <= {"type", "text", "index"}


def _beside_text(block: Any) -> dict[str, Any]:
    return {**{name: value for name, value in block.items() if name != "index"}, "text": ""}


def _ends_at(stop: Sequence[str], text: str) -> list[int]:
    return [text.find(end) for end in stop if end and end in text]


def _until(stop: Sequence[str], text: str) -> str:
    return text[: min(_ends_at(stop, text))]


def _usage(usage: Usage) -> UsageMetadata:
    counted = UsageMetadata(
        input_tokens=usage["input"],
        output_tokens=usage["output"],
        total_tokens=usage["input"] + usage["output"],
        input_token_details=InputTokenDetails(cache_read=usage["cached"]),
    )
    if reasoning := usage.get("reasoning"):
        counted["output_token_details"] = OutputTokenDetails(reasoning=reasoning)
    return counted
