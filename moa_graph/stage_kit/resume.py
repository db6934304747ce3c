"""What siblings of a stage had already given when a run stopped.

LangGraph keeps the writes of nodes that finished before a kill, and on resuming runs only the others. Those don't see
the finished ones' writes until the superstep ends, but a round must count them. They are in the checkpointer.
"""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.runtime import Runtime

from moa_graph.state import Record, of_stage

__all__ = ["finished_siblings", "is_resumed"]

_RESUMING = "__pregel_resuming"
_CHECKPOINTER = "__pregel_checkpointer"


def is_resumed(config: RunnableConfig) -> bool:
    """Whether the node is among the first of a run that goes on with a turn which had stopped."""
    return bool(config.get("configurable", {}).get(_RESUMING))


async def finished_siblings(config: RunnableConfig, runtime: Runtime[Any], stage: str) -> list[Record]:
    """Records of ``stage`` that nodes wrote in this superstep before the run was resumed; none in a run that wasn't.

    Reads two keys of LangGraph's own configuration. Where a version doesn't have them, a resumed round waits for all
    that it asks instead of closing at its quorum.
    """
    settings = config.get("configurable", {})
    saver = settings.get(_CHECKPOINTER)
    info = runtime.execution_info
    if info is None or not is_resumed(config) or not isinstance(saver, BaseCheckpointSaver):
        return []
    place: RunnableConfig = {
        "configurable": {
            "thread_id": settings["thread_id"],
            "checkpoint_ns": info.checkpoint_ns.rpartition("|")[0],
            "checkpoint_id": info.checkpoint_id,
        }
    }
    try:
        saved = await saver.aget_tuple(place)
    except NotImplementedError:  # a saver for sync runs only
        saved = saver.get_tuple(place)
    writes = saved.pending_writes if saved and saved.pending_writes else []
    return [record for _, channel, value in writes if channel == "records" for record in of_stage(value, stage)]
