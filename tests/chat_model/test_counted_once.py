"""Whoever counts the tokens of chat models around a ``ChatMoA`` sees one, with the tokens of all its calls together."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.tracers.context import collect_runs

from moa_graph import ChatMoA, create_moa

QUESTION = "What is 2 + 2?"


def tokens(usage: Any) -> int:
    return sum(one["total_tokens"] for one in usage.values())


def test_a_counter_in_the_context_counts_an_invoked_mixture_once() -> None:
    with get_usage_metadata_callback() as counted:
        answer = ChatMoA("moa-lite", simulate=True).invoke(QUESTION)
    assert answer.usage_metadata is not None
    assert tokens(counted.usage_metadata) == answer.usage_metadata["total_tokens"] > 0


async def test_a_counter_in_the_context_counts_a_streamed_mixture_once() -> None:
    with get_usage_metadata_callback() as counted:
        chunks = [chunk async for chunk in ChatMoA("moa-lite", simulate=True).astream(QUESTION)]
    streamed = sum(chunk.usage_metadata["total_tokens"] for chunk in chunks if chunk.usage_metadata)
    assert tokens(counted.usage_metadata) == streamed > 0


async def test_a_mixture_within_a_mixture_is_counted_once() -> None:
    inner = ChatMoA(proposers=["sim:a", "sim:b"], aggregator="sim:c", layers=2)
    graph = create_moa(proposers=[inner, "sim:d"], aggregator="sim:e", layers=2)
    with get_usage_metadata_callback() as counted:
        state = await graph.compile().ainvoke({"messages": [("user", QUESTION)]})
    usage = state["report"]["usage"]
    assert tokens(counted.usage_metadata) == usage["input"] + usage["output"]


def test_runs_that_are_collected_hold_one_chat_model() -> None:
    with collect_runs() as collected:
        ChatMoA("moa-lite", simulate=True).invoke(QUESTION)
    assert [(run.name, run.run_type) for run in collected.traced_runs] == [("ChatMoA", "llm")]
