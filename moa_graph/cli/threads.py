"""The file in which conversations are kept: a LangGraph checkpointer's, so that other programs can read it too."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from langgraph.checkpoint.base import CheckpointTuple
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from moa_graph.errors import MixtureError
from moa_graph.interruptible import run

__all__ = ["keeper", "listed", "name_of_now", "naming"]


@asynccontextmanager
async def keeper(file: Path) -> AsyncIterator[AsyncSqliteSaver]:
    """The checkpointer of a file, which nobody else may read.

    Raises:
        MixtureError: The file can't be written, or is no file of conversations.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise MixtureError(f"--file {file}: {error.strerror}; name a file in a folder that can be written") from error
    async with AsyncSqliteSaver.from_conn_string(str(file)) as saver:
        await _try_to_read(saver, file)
        yield saver


async def _try_to_read(saver: AsyncSqliteSaver, file: Path) -> None:
    """Reads one checkpoint: what is no file of conversations is found out before anything is asked."""
    try:
        async for _ in saver.alist(None, limit=1):
            pass
    except sqlite3.Error as error:
        raise MixtureError(
            f"--file {file}: {error}; name a file of conversations, or one that doesn't exist yet"
        ) from error


@contextmanager
def naming(file: Path | None) -> Iterator[None]:
    """Has an error within a conversation say which file it is about.

    Raises:
        click.ClickException: The file can't be read or written any more.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise click.ClickException(
            f"--file {file}: {error}; make sure that there is space and that no other program has it open, or name "
            "another file"
        ) from error


def name_of_now() -> str:
    """A new conversation's name: when it began."""
    return f"{datetime.now():%Y-%m-%d-%H%M%S}"


def listed(file: Path) -> list[str]:
    """A line for each conversation, the latest first: its name, when it last went on, and how it began."""
    if not file.exists():
        return []
    latest = run(_latest(file))
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
