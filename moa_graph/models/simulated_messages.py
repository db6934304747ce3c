"""What a simulated model says, as LangChain's messages and chunks."""

from __future__ import annotations

import json
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import ToolCall, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from moa_graph.models.simulation import Completion, Performance, pieces_of
from moa_graph.models.simulation.faults import UsageFault

__all__ = ["chunks_of", "result_of"]


def result_of(performance: Performance, model: str) -> ChatResult:
    """The whole answer; with several, each bears its own usage and the prompt counts with the first."""
    return ChatResult(
        generations=[
            ChatGeneration(message=_message(completion, model, _usage(performance, completion, first=number == 0)))
            for number, completion in enumerate(performance.completions)
        ]
    )


def _message(completion: Completion, model: str, usage: UsageMetadata | None) -> AIMessage:
    return AIMessage(
        content=completion.content or "",
        tool_calls=[_tool_call(call) for call in completion.tool_calls],
        additional_kwargs=_refusal(completion),
        response_metadata=_metadata(completion, model),
        usage_metadata=usage,
    )


def _tool_call(call: dict[str, Any]) -> ToolCall:
    function = call["function"]
    return ToolCall(name=function["name"], args=json.loads(function["arguments"]), id=call["id"], type="tool_call")


def _refusal(completion: Completion) -> dict[str, Any]:
    return {} if completion.refusal is None else {"refusal": completion.refusal}


def _metadata(completion: Completion, model: str) -> dict[str, Any]:
    return {"model_name": model, "finish_reason": completion.finish_reason}


def _usage(performance: Performance, completion: Completion, first: bool = True) -> UsageMetadata | None:
    if isinstance(performance.fault, UsageFault):
        return None
    prompt = completion.prompt_tokens if first else 0
    spent = completion.completion_tokens
    return UsageMetadata(input_tokens=prompt, output_tokens=spent, total_tokens=prompt + spent)


def chunks_of(performance: Performance, model: str) -> list[tuple[float, ChatGenerationChunk]]:
    """The first answer in chunks, each with the seconds to wait before it; the last one holds the usage."""
    completion = performance.completions[0]
    messages = [AIMessageChunk(content=piece) for piece in pieces_of(completion.content or "")]
    messages.extend(_tool_chunk(index, call) for index, call in enumerate(completion.tool_calls))
    messages.append(
        AIMessageChunk(
            content="",
            additional_kwargs=_refusal(completion),
            response_metadata=_metadata(completion, model),
            usage_metadata=_usage(performance, completion),
            chunk_position="last",
        )
    )
    waits = [performance.seconds_for(str(message.content)) for message in messages]
    waits[0] += performance.first_token
    return [(wait, ChatGenerationChunk(message=message)) for wait, message in zip(waits, messages, strict=True)]


def _tool_chunk(index: int, call: dict[str, Any]) -> AIMessageChunk:
    function = call["function"]
    part = tool_call_chunk(name=function["name"], args=function["arguments"], id=call["id"], index=index)
    return AIMessageChunk(content="", tool_call_chunks=[part])
