"""A program whose run test_resume_after_kill.py kills: one mixture, its thread in SQLite, its requests in files.

Six slots with a quorum of four: three answer at once; in the run that is killed the others never do, and in the one
that goes on the fourth does.
What has reached the database is told on stdout: ``checkpoint ID``, and ``SLOT ID`` for a slot's writes.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from moa_graph import create_moa
from moa_graph.graph import MoaGraph
from tests.models_for_tests import Asked, Reply, ScriptedModel, scripted

FOREVER = 3600.0
CONFIG: Any = {"configurable": {"thread_id": "one"}}


class TellingSaver(AsyncSqliteSaver):
    async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        put = await super().aput(config, checkpoint, metadata, new_versions)
        tell("checkpoint", checkpoint["id"])
        return put

    async def aput_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> None:
        await super().aput_writes(config, writes, task_id, task_path)
        tell_writes(config, writes)


class TellingSyncSaver(SqliteSaver):
    def put(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        put = super().put(config, checkpoint, metadata, new_versions)
        tell("checkpoint", checkpoint["id"])
        return put

    def put_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> None:
        super().put_writes(config, writes, task_id, task_path)
        tell_writes(config, writes)


def tell_writes(config: Any, writes: Any) -> None:
    for channel, value in writes:
        if channel == "records" and isinstance(value, list):
            tell(*(record["slot"] for record in value), config["configurable"]["checkpoint_id"])


def tell(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


def mixture(folder: Path, answering: int) -> MoaGraph:
    """Models that note each request in a file of their own before they answer; those beyond ``answering`` never do."""

    def model(name: str, delay: float) -> ScriptedModel:
        return scripted(name, noting(folder / name, Reply(f"{name}'s answer", delay)))

    slots = [model(f"s{number}", 0.0 if number < answering else FOREVER) for number in range(6)]
    propose = {"slots": slots, "quorum": 4, "timeout": "1h"}
    return create_moa({"stages": [{"propose": propose}, {"aggregate": {"slot": model("writer", 0.0)}}]})


def noting(file: Path, reply: Reply) -> Callable[[Asked], Reply]:
    def note(asked: Asked) -> Reply:
        shown = "\0".join(f"{message.type}: {message.text}" for message in asked.messages)
        with file.open("a") as notes:
            notes.write(f"{shown}\n\0\0")
        return reply

    return note


async def run(graph: MoaGraph, database: str, question: Any, durability: Any) -> Any:
    async with TellingSaver.from_conn_string(database) as saver:
        return await graph.compile(checkpointer=saver).ainvoke(question, CONFIG, durability=durability)


def run_sync(graph: MoaGraph, database: str, question: Any, durability: Any) -> Any:
    with TellingSyncSaver.from_conn_string(database) as saver:
        return graph.compile(checkpointer=saver).invoke(question, CONFIG, durability=durability)


def main(folder: str, door: str, durability: str, answering: str, question: str = "") -> None:
    graph, database = mixture(Path(folder), int(answering)), str(Path(folder) / "thread.sqlite")
    asked = {"messages": [("user", question)]} if question else None
    if door == "async":
        result = asyncio.run(run(graph, database, asked, durability))
    else:
        result = run_sync(graph, database, asked, durability)
    sys.stdout.write(f"{result['messages'][-1].text}\nresumed: {result['report']['resumed']}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
