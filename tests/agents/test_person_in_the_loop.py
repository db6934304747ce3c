"""A person looks at the proposals and edits one before the answer is written."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver

from moa_graph import create_moa

THREAD: RunnableConfig = {"configurable": {"thread_id": "one"}}
QUESTION: Any = {"messages": [("user", "What is 17 * 24 + 3?")]}


async def test_a_run_pauses_after_a_stage_and_goes_on_with_edited_proposals() -> None:
    graph = create_moa(proposers=["sim:instant", "sim:instant"], aggregator="sim:instant").compile(
        checkpointer=InMemorySaver(), interrupt_after=["layer_1/join"]
    )
    await graph.ainvoke(QUESTION, THREAD)

    paused = await graph.aget_state(THREAD)
    assert paused.next == ("aggregate",)
    proposals = paused.values["records"]
    assert all(record["text"].endswith("Answer: 411") for record in proposals)

    edited = [{"id": record["id"], "text": "It is 412.\n\nAnswer: 412"} for record in proposals]
    await graph.aupdate_state(THREAD, {"records": edited})
    result = await graph.ainvoke(None, THREAD)

    assert result["messages"][-1].text.endswith("Answer: 412")
    assert result["report"]["calls"] == 3
