"""What nodes had already given when a run stopped, and only the checkpointer still knows.

LangGraph keeps the writes of nodes that finished before a kill. A resumed run executes only the others, which don't see
those writes until the superstep ends, but a round must count them. A run with new input drops those writes for good,
along with what they cost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.runtime import Runtime

from moa_graph.state import Call, Record, Turn, merge_by_id, of_stage

__all__ = ["Leftover", "finished_siblings", "is_resumed", "left_behind"]

_RESUMING = "__pregel_resuming"
_CHECKPOINTER = "__pregel_checkpointer"


def is_resumed(config: RunnableConfig) -> bool:
    """Whether the node is among the first of a run that goes on with a turn which had stopped."""
    return bool(config.get("configurable", {}).get(_RESUMING))


async def finished_siblings(config: RunnableConfig, runtime: Runtime[Any], stage: str) -> list[Record]:
    """Records of ``stage`` that nodes wrote in this superstep before the run was resumed; none in a run that wasn't."""
    saved = await _saved(config, runtime) if is_resumed(config) else None
    return of_stage(_written([saved], "records"), stage) if saved else []


@dataclass(frozen=True)
class Leftover:
    """What earlier runs left in a thread that this run continues with new input.

    Args:
        message_ids: The messages that were there before this run's input.
        records: What nodes gave in supersteps that were never completed.
        ledger: What that cost.
    """

    message_ids: frozenset[str]
    records: list[Record] = field(default_factory=list)
    ledger: list[Call] = field(default_factory=list)


async def left_behind(config: RunnableConfig, runtime: Runtime[Any], before: Turn) -> Leftover | None:
    """What the runs before this one left; None where there is no checkpointer, or nothing in it yet.

    Every run with input begins with a checkpoint whose source is ``input``. Of the checkpoint below that one, the
    writes of finished nodes were never applied. Several such runs in a row, each killed early, are all walked through.

    Args:
        config: The node's own.
        runtime: The node's own.
        before: The turn as it stands; checkpoints of other turns are left alone.
    """
    info = runtime.execution_info
    if info is None:
        return None
    saved = await _saved(config, runtime, newest=True)
    if saved is not None and saved.checkpoint["id"] == info.checkpoint_id:
        saved = await _parent(config, saved)
    if saved is None:
        return None
    message_ids = frozenset(
        message.id for message in saved.checkpoint["channel_values"].get("messages", ()) if message.id is not None
    )
    dropped = []
    above = "input"  # this run's own input, which may not be stored yet
    while saved is not None and "input" in (above, _source(saved)):
        if saved.checkpoint["channel_values"].get("turn", {}) != before:
            break
        if above == "input":
            dropped.append(saved)
        above = _source(saved)
        saved = await _parent(config, saved)
    return Leftover(message_ids, _merged(dropped, "records"), _merged(dropped, "ledger"))


def _merged(dropped: Iterable[CheckpointTuple], channel: str) -> list[Any]:
    return merge_by_id([], _written(dropped, channel))


def _written(saved: Iterable[CheckpointTuple], channel: str) -> list[Any]:
    """What nodes that finished wrote to a channel, oldest checkpoint first. ``prepare`` overwrites instead."""
    return [
        entry
        for one in reversed(list(saved))
        for _, written_to, value in one.pending_writes or ()
        if written_to == channel and isinstance(value, list)
        for entry in value
    ]


def _source(saved: CheckpointTuple) -> str:
    return str(saved.metadata.get("source"))


async def _saved(config: RunnableConfig, runtime: Runtime[Any], *, newest: bool = False) -> CheckpointTuple | None:
    """The checkpoint that the node's superstep began with, or the thread's newest.

    Reads two keys of LangGraph's own configuration. Where a version doesn't have them, a resumed round waits for all
    that it asks instead of closing at its quorum, and a question that is asked again is paid for again.
    """
    settings, info = config.get("configurable", {}), runtime.execution_info
    if info is None or "thread_id" not in settings:
        return None
    place = {"thread_id": settings["thread_id"], "checkpoint_ns": info.checkpoint_ns.rpartition("|")[0]}
    if not newest:
        place["checkpoint_id"] = info.checkpoint_id
    return await _read(config, {"configurable": place})


async def _parent(config: RunnableConfig, saved: CheckpointTuple) -> CheckpointTuple | None:
    return await _read(config, saved.parent_config) if saved.parent_config else None


async def _read(config: RunnableConfig, place: RunnableConfig) -> CheckpointTuple | None:
    saver = config.get("configurable", {}).get(_CHECKPOINTER)
    if not isinstance(saver, BaseCheckpointSaver):
        return None
    if getattr(saver, "loop", None) not in (None, asyncio.get_running_loop()):
        return await asyncio.to_thread(saver.get_tuple, place)  # an async saver of another event loop
    try:
        return await saver.aget_tuple(place)
    except NotImplementedError:  # a saver for sync runs only
        return saver.get_tuple(place)
