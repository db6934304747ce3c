"""A store that a graph opened itself goes with the graph: no file, no thread and no warning stays."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from moa_graph import create_moa
from moa_graph.store import open_store

QUESTION = {"messages": [("user", "What is 17 * 24 + 3?")]}


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("store ")}


def until_closed() -> None:
    """Waits for the store's thread, for a second at most."""
    for thread in threading.enumerate():
        if thread.name.startswith("store "):
            thread.join(timeout=1)
    assert threads() == set()


def graph(store: Any) -> Any:
    return create_moa(proposers=["sim:instant"], aggregator="sim:instant", store=store)


@pytest.mark.parametrize("name", ["calls.sqlite", "calls.jsonl"])
async def test_a_store_given_as_a_file_is_closed_when_its_graph_is_gone(tmp_path: Path, name: str) -> None:
    mixture = graph(tmp_path / name)
    backend = mixture.plan.store.backend
    compiled = mixture.compile()
    await compiled.ainvoke(QUESTION)
    assert threads() != set()
    del mixture
    gc.collect()
    await compiled.ainvoke(QUESTION)
    del compiled
    gc.collect()
    until_closed()
    if name.endswith("sqlite"):
        assert backend._connection is None


async def test_a_store_that_the_caller_opened_outlives_its_graphs(tmp_path: Path) -> None:
    async with open_store(tmp_path / "calls.sqlite") as store:
        await graph(store).compile().ainvoke(QUESTION)
        gc.collect()
        result = await graph(store).compile().ainvoke(QUESTION)
        assert result["report"]["hits"] == 2
    until_closed()


def test_a_store_is_closed_without_an_event_loop(tmp_path: Path) -> None:
    for name in ("calls.sqlite", "calls.jsonl"):
        store = open_store(tmp_path / name)
        graph(store).compile().invoke(QUESTION)
        store.close()
        store.close()
        until_closed()


def test_a_graph_that_cant_be_built_opens_no_store(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="substitute"):
        create_moa(
            proposers=["sim:a"], aggregator="sim:a", substitute={"sim:b": "sim:c"}, store=tmp_path / "calls.sqlite"
        )
    assert list(tmp_path.iterdir()) == []


END_OF_A_PROCESS = """
from moa_graph import create_moa
graph = create_moa(proposers=["sim:instant"], aggregator="sim:instant", store="calls.sqlite").compile()
print(graph.invoke({"messages": [("user", "What is 17 * 24 + 3?")]})["messages"][-1].content)
"""


def test_a_process_that_ends_with_its_graph_open_warns_of_nothing(tmp_path: Path) -> None:
    """From Python 3.13 on, a SQLite connection that is collected unclosed warns."""
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-W", "always::ResourceWarning", "-c", END_OF_A_PROCESS],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "411" in ended.stdout
    assert "ResourceWarning" not in ended.stderr
