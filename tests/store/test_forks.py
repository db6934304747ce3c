"""A store that was opened before a fork works on in the parent and in its children: Celery, gunicorn --preload."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system doesn't fork")


def run(script: str, *arguments: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(script), *arguments],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


ASKS = """
    import asyncio, os, sys, threading
    from moa_graph import create_moa

    def graph_of(store):
        stages = [{"propose": {"slots": ["sim:a", "sim:b"]}}, {"aggregate": {"slot": "sim:a"}}]
        return create_moa({"name": "forked", "stages": stages}, store=store).compile()

    def ask(graph, number):
        state = graph.invoke({"messages": [("user", f"What is {number} + 1?")]})
        assert str(number + 1) in state["messages"][-1].text

    def in_child(work):
        child = os.fork()
        if child == 0:
            try:
                work()
                os._exit(0)
            except BaseException:
                import traceback
                traceback.print_exc()
            finally:
                os._exit(1)
        return child

    def ended(child):
        assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["sqlite", "jsonl"])
def test_calls_in_the_child_are_answered_and_stored(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"calls.{suffix}"
    script = (
        ASKS
        + """
    graph = graph_of(sys.argv[1])
    ask(graph, 1)
    children = [in_child(lambda number=number: [ask(graph, number), ask(graph, 1)]) for number in (10, 20)]
    ask(graph, 2)
    for child in children:
        ended(child)
    replaying = graph_of(__import__("moa_graph.store", fromlist=["x"]).open_store(sys.argv[1], "replay"))
    for number in (1, 2, 10, 20):
        ask(replaying, number)
    """
    )
    run(script, str(path))


@pytest.mark.parametrize("suffix", ["sqlite", "jsonl"])
def test_a_fork_in_the_middle_of_a_write_leaves_both_sides_whole(tmp_path: Path, suffix: str) -> None:
    script = (
        ASKS
        + """
    from moa_graph.store import open_store, entry_of
    from langchain_core.messages import AIMessage

    store = open_store(sys.argv[1])
    entry = entry_of(AIMessage("x" * 10_000), model="sim:a", usage=None)

    async def write(prefix, count):
        for number in range(count):
            await store.backend.put(f"{prefix}{number}", entry)

    writing = threading.Thread(target=lambda: asyncio.run(write("parent", 100)))
    writing.start()
    children = [in_child(lambda name=name: asyncio.run(write(f"child{name}-", 10))) for name in range(6)]
    for child in children:
        ended(child)
    writing.join()

    async def count():
        wanted = [f"parent{n}" for n in range(100)] + [f"child{name}-{n}" for name in range(6) for n in range(10)]
        print(sum([await store.backend.get(key) is not None for key in wanted]))

    asyncio.run(count())
    """
    )
    assert run(script, str(tmp_path / f"calls.{suffix}")).strip() == "160"
