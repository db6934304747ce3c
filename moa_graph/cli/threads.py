"""The file in which conversations are kept: a LangGraph checkpointer's, so that other programs can read it too."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import CheckpointTuple
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from moa_graph.errors import MixtureError

__all__ = ["keeper", "listed", "name_of_now"]


@asynccontextmanager
async def keeper(file: Path) -> AsyncIterator[AsyncSqliteSaver]:
    """The checkpointer of a file, which nobody else may read.

    Raises:
        MixtureError: The file can't be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise MixtureError(f"--file {file}: {error.strerror}; name a file in a folder that can be written") from error
    async with AsyncSqliteSaver.from_conn_string(str(file)) as saver:
        yield saver


def name_of_now() -> str:
    """A new conversation's name: when it began."""
    return f"{datetime.now():%Y-%m-%d-%H%M%S}"


def listed(file: Path) -> list[str]:
    """A line for each conversation, the latest first: its name, when it last went on, and how it began."""
    if not file.exists():
        return []
    latest = asyncio.run(_latest(file))
    width = max((len(name) for name in latest), default=0)
    return [f"{name:{width}}  {_when(kept)}  {_beginning(kept)}" for name, kept in latest.items()]


async def _latest(file: Path) -> dict[str, CheckpointTuple]:
    """The last checkpoint of each conversation."""
    found: dict[str, CheckpointTuple] = {}
    async with keeper(file) as saver:
        async for kept in saver.alist(None):
            found.setdefault(kept.config["configurable"]["thread_id"], kept)
    return dict(sorted(found.items(), key=lambda entry: entry[1].checkpoint["ts"], reverse=True))


def _when(kept: CheckpointTuple) -> str:
    return f"{datetime.fromisoformat(kept.checkpoint['ts']).astimezone():%Y-%m-%d %H:%M}"


def _beginning(kept: CheckpointTuple) -> str:
    messages: list[Any] = kept.checkpoint["channel_values"].get("messages", [])
    asked = [message.text for message in messages if message.type == "human"]
    return f"{len(asked)} turn(s): {' '.join(asked[0].split())[:50]}" if asked else "empty"
