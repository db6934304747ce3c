"""``invoke`` and ``stream`` are as good as their async counterparts, wherever they are called."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import END, START, MessagesState, StateGraph

from moa_graph import create_moa
from moa_graph.graph import MoaGraph
from tests.models_for_tests import Reply, scripted

QUESTION: Any = {"messages": [("user", "a question")]}
MORE_THAN_THREADS = min(32, (os.cpu_count() or 1) + 4) + 8


def meeting(models: int) -> MoaGraph:
    """Models that answer only once all of them have been asked; those that wait in vain time out."""
    everyone = asyncio.Barrier(models)
    slots = [scripted(f"s{number}", Reply(until=everyone.wait)) for number in range(models)]
    propose = {"slots": slots, "timeout": 10}
    return create_moa({"stages": [{"propose": propose}, {"aggregate": {"slot": scripted("writer", "written")}}]})


def live(result: Any) -> int:
    return sum(stage["live"] for stage in result["report"]["stages"] if stage["stage"] == "layer_1")


def test_invoke_asks_all_slots_at_once() -> None:
    result = meeting(MORE_THAN_THREADS).compile().invoke(QUESTION)
    assert live(result) == MORE_THAN_THREADS


def test_stream_asks_all_slots_at_once() -> None:
    *_, result = meeting(MORE_THAN_THREADS).compile().stream(QUESTION, stream_mode="values")
    assert live(result) == MORE_THAN_THREADS


def test_a_mixture_in_a_sync_parent_asks_all_slots_at_once() -> None:
    parent: Any = StateGraph(MessagesState)
    parent.add_node("mixture", meeting(MORE_THAN_THREADS).compile())
    parent.add_edge(START, "mixture")
    parent.add_edge("mixture", END)
    assert parent.compile().invoke(QUESTION)["messages"][-1].text == "written"


def test_the_runs_own_max_concurrency_counts() -> None:
    in_flight, most = 0, 0

    async def note() -> None:
        nonlocal in_flight, most
        in_flight, most = in_flight + 1, max(most, in_flight + 1)
        await asyncio.sleep(0.01)
        in_flight -= 1

    graph = create_moa(
        proposers=[scripted(f"s{n}", Reply(until=note)) for n in range(6)], aggregator=scripted("writer")
    )
    graph.compile().invoke(QUESTION, {"max_concurrency": 2})
    assert most == 2


async def test_invoke_works_where_a_loop_is_running() -> None:
    graph = create_moa(proposers=["sim:instant", "sim:instant"], aggregator="sim:instant").compile()
    assert "411" in graph.invoke({"messages": [("user", "What is 17 * 24 + 3?")]})["messages"][-1].text


PROGRAMS = {
    "after the program's end": "ask()",
    "in a forked child": """
ask()
child = os.fork()
if child == 0:
    ask()
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
""",
    "in a forked child that ends as a program does": """
ask()
if os.fork() == 0:
    ask()
else:
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
""",
    "in the middle of a stream": "next(graph.stream(QUESTION))",
}

BEGIN = """
import os
from moa_graph import create_moa
graph = create_moa(proposers=["sim:instant", "sim:swift"], aggregator="sim:instant").compile()
QUESTION = {"messages": [("user", "What is 17 * 24 + 3?")]}
def ask():
    assert "411" in graph.invoke(QUESTION)["messages"][-1].text
"""


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_nothing_hangs_or_warns(program: str) -> None:
    # From 3.12 on Python warns of any fork beside threads; what it warns of is what is shown here to work.
    command = [sys.executable, "-W", "error", "-W", "ignore:This process:DeprecationWarning", "-c", BEGIN + program]
    done = subprocess.run(
        command, check=False, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=40
    )
    assert (done.returncode, done.stderr) == (0, "")
