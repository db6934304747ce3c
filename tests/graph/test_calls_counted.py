"""How many calls a mixture makes: N(L-1)+1, as its paper counts."""

from __future__ import annotations

import pytest

from moa_graph import create_moa
from tests.models_for_tests import scripted

CALLS = {
    1: {1: 1, 2: 2, 3: 3, 4: 4},
    2: {1: 1, 2: 3, 3: 5, 4: 7},
    3: {1: 1, 2: 4, 3: 7, 4: 10},
    4: {1: 1, 2: 5, 3: 9, 4: 13},
    5: {1: 1, 2: 6, 3: 11, 4: 16},
    6: {1: 1, 2: 7, 3: 13, 4: 19},
}
"""Proposers -> layers -> calls."""


@pytest.mark.parametrize(("proposers", "layers"), [(n, depth) for n in CALLS for depth in CALLS[n]])
async def test_a_mixture_makes_the_calls_that_its_paper_counts(proposers: int, layers: int) -> None:
    models = [scripted(f"model-{number}") for number in range(proposers)]
    writer = scripted("writer")
    graph = create_moa(proposers=models, aggregator=writer, layers=layers).compile()

    result = await graph.ainvoke({"messages": [("user", "Why?")]})

    asked = [len(model.journal.asked) for model in models]
    assert asked == [layers - 1] * proposers
    assert len(writer.journal.asked) == 1
    assert result["report"]["calls"] == CALLS[proposers][layers]


async def test_samples_of_a_slot_are_calls_of_their_own() -> None:
    model, writer = scripted("model"), scripted("writer")
    graph = create_moa(proposers=[{"model": model, "samples": 6}], aggregator=writer).compile()

    result = await graph.ainvoke({"messages": [("user", "Why?")]})

    assert len(model.journal.asked) == 6
    assert result["report"]["calls"] == 7
    assert [record["id"] for record in result["records"]] == [
        *(f"layer_1/model#{sample}" for sample in range(6)),
        "aggregate#0",
    ]


def test_every_slot_of_every_layer_is_a_node_of_its_own() -> None:
    graph = create_moa(proposers=["sim:a", "sim:b", "sim:a"], aggregator="sim:c", layers=3)

    assert list(graph.nodes) == [
        "prepare",
        "layer_1/a",
        "layer_1/b",
        "layer_1/a-2",
        "layer_1/join",
        "layer_2/a",
        "layer_2/b",
        "layer_2/a-2",
        "layer_2/join",
        "aggregate",
        "finish",
    ]


def test_invoke_and_ainvoke_make_the_same_calls() -> None:
    graph = create_moa(proposers=["sim:instant"] * 3, aggregator="sim:instant", layers=3).compile()

    result = graph.invoke({"messages": [("user", "What is 17 * 24 + 3?")]})

    assert result["report"]["calls"] == 7
    assert "411" in result["messages"][-1].text
