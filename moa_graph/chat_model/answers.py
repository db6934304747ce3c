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
from moa_graph.chat_model.turn import TURN, TurnSpending, with_report
from moa_graph.errors import AnswerBeganAgain
from moa_graph.runs import Outcome
from moa_graph.state import Usage

__all__ = ["began_again", "last_chunk", "passed_on", "whole_answer"]


STREAMED = frozenset({"text", "tool_use", "tool_call", "function_call"})


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


def passed_on(chunk: AIMessageChunk) -> ChatGenerationChunk:
    """A chunk of the answer as the model which writes it gave it."""
    return ChatGenerationChunk(message=AIMessageChunk(content=chunk.content, tool_call_chunks=chunk.tool_call_chunks))


def last_chunk(answer: AIMessage, *, streamed: bool) -> ChatGenerationChunk:
    """What remains of an answer: all of it, or its metadata alone where its text was ``streamed``."""
    calls = [
        tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=index)
        for index, call in enumerate(answer.tool_calls)
    ]
    return ChatGenerationChunk(
        message=AIMessageChunk(
            content=_beside_text(answer.content) if streamed else answer.content,
            additional_kwargs=answer.additional_kwargs,
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


def _beside_text(content: str | list[str | dict[str, Any]]) -> str | list[str | dict[str, Any]]:
    """The blocks of an answer that nobody has seen while its text and calls were streamed."""
    if isinstance(content, str):
        return ""
    return [one for one in content if isinstance(one, dict) and one.get("type") not in STREAMED] or ""


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
