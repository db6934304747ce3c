"""Hosts that need a server of their own. By hand: ``pytest -m acceptance -n 0 tests/agents/test_acceptance_hosts.py``.

PostgreSQL: its programs must be installed (``apt-get install postgresql``) and
``pip install langgraph-checkpoint-postgres "psycopg[binary]"``; the test starts a server of its own.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.pregel.remote import RemoteGraph
from langgraph_sdk import get_client

from moa_graph import create_moa
from moa_graph.server.simulator import running_simulator
from tests.server.databases import postgresql
from tests.server.langgraph_dev import langgraph_dev
from tests.simulated_mixture import asked, at_once, mixture_over_http

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

QUESTION: Any = {"messages": [("user", "What is 17 * 24 + 3?")]}

KILLED = """
import os, sys
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.graph import START, MessagesState, StateGraph
from moa_graph import create_moa
from tests.simulated_mixture import mixture_over_http

address, models = sys.argv[1:]
inner = create_moa(mixture_over_http(models)).compile()
graph = StateGraph(MessagesState).add_node("inner", inner).add_edge(START, "inner")
with PostgresSaver.from_conn_string(address) as saver:
    saver.setup()
    app = graph.compile(checkpointer=saver)
    thread = {"configurable": {"thread_id": "1"}}
    asked = {"messages": [("user", "What is 17 * 24 + 3?")]}
    for namespace, event in app.stream(asked, thread, stream_mode="custom", subgraphs=True, durability="sync"):
        if event["type"] == "call_started" and event["stage"] == "aggregate":
            os._exit(9)
"""


@pytest.fixture
def database() -> Iterator[str]:
    pytest.importorskip("langgraph.checkpoint.postgres", reason="pip install langgraph-checkpoint-postgres")
    with postgresql() as address:
        yield address


def test_a_graph_of_ones_own_with_postgresql_goes_on_after_a_kill(database: str) -> None:
    from langgraph.checkpoint.postgres import PostgresSaver

    with running_simulator(at_once()) as simulator:
        child = subprocess.run(
            [sys.executable, "-c", KILLED, database, simulator.base_url],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            check=False,
            timeout=200,
        )
        assert child.returncode == 9
        inner = create_moa(mixture_over_http(simulator.base_url)).compile()
        graph: Any = StateGraph(MessagesState).add_node("inner", inner).add_edge(START, "inner")
        with PostgresSaver.from_conn_string(database) as saver:
            app = graph.compile(checkpointer=saver)
            thread = {"configurable": {"thread_id": "1"}}
            result = app.invoke(None, thread)
            again = app.invoke({"messages": [("user", "What is 2 + 40?")]}, thread)
        assert result["messages"][-1].text.endswith("Answer: 411")
        assert again["messages"][-1].text.endswith("Answer: 42")
        assert {name: asked(simulator)[name] for name in ("left", "right")} == {"left": 2, "right": 2}


async def test_a_mixture_on_a_server_is_a_node_here(tmp_path: Path) -> None:
    with langgraph_dev(tmp_path, {"MOA_SIMULATE": "1"}) as server:
        async with get_client(url=server.url) as client:
            remote = RemoteGraph("moa-lite", client=client)
            graph: Any = StateGraph(MessagesState).add_node("remote", remote).add_edge(START, "remote")
            result = await graph.compile().ainvoke(QUESTION)
            told = [event async for event in remote.astream(QUESTION, stream_mode="custom")]
    assert result["messages"][-1].text.endswith("Answer: 411")
    assert told[-1]["type"] == "run_finished"


async def test_the_servers_current_protocol_tells_the_answer_token_by_token(tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    asked_for: Any = {"messages": [{"role": "user", "content": "What is 17 * 24 + 3?"}]}
    with langgraph_dev(tmp_path, {"MOA_SIMULATE": "1"}) as server:
        async with get_client(url=server.url) as client, client.threads.stream(assistant_id="moa-lite") as thread:
            await thread.run.start(input=asked_for)
            async for event in thread.subscribe(["messages"]):
                told.append(cast(Any, event)["params"]["data"])
                if told[-1]["event"] == "message-finish":
                    break
    deltas = [one["delta"]["text"] for one in told if one["event"] == "content-block-delta"]
    assert (told[0]["event"], told[1]["event"]) == ("message-start", "content-block-start")
    assert len(deltas) > 5
    assert "".join(deltas).endswith("Answer: 411")


async def test_messages_of_the_current_protocol_are_read_each_in_a_task_of_its_own(tmp_path: Path) -> None:
    """The SDK feeds a message only while ``thread.messages`` is read on, whatever graph it comes from."""
    asked_for: Any = {"messages": [{"role": "user", "content": "What is 17 * 24 + 3?"}]}

    async def read(message: Any) -> list[str]:
        return [piece async for piece in message.text]

    with langgraph_dev(tmp_path, {"MOA_SIMULATE": "1"}) as server:
        async with get_client(url=server.url) as client, client.threads.stream(assistant_id="moa-lite") as thread:
            await thread.run.start(input=asked_for)
            async with asyncio.TaskGroup() as group:
                reading = [group.create_task(read(message)) async for message in thread.messages]
    (pieces,) = [task.result() for task in reading]
    assert len(pieces) > 5
    assert "".join(pieces).endswith("Answer: 411")
