"""Nothing is kept of a graph that nobody holds any more: a service may make one for each request."""

from __future__ import annotations

import asyncio
import gc
import weakref

from moa_graph import create_moa
from moa_graph.options import Options


def options_of_a_graph_that_ran(number: int) -> weakref.ref[type[Options]]:
    graph = create_moa(proposers=["sim:instant", f"sim:instant-{number}"], aggregator="sim:instant")
    asyncio.run(graph.compile().ainvoke({"messages": [("user", "What is 17 * 24 + 3?")]}))
    return weakref.ref(graph.plan.options)


def test_the_classes_that_are_made_for_a_graph_go_with_it() -> None:
    kept = [options_of_a_graph_that_ran(number) for number in range(3)]
    gc.collect()
    assert [options() for options in kept] == [None] * 3
