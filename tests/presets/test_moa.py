"""The mixtures of the Mixture-of-Agents paper, and those with models that are served today."""

from __future__ import annotations

from collections.abc import Callable

import jsonschema
import pytest

from moa_graph import Mixture, create_moa, preset_names
from moa_graph.presets.catalogue import load_preset, preset_page

SIX = [
    "together:Qwen/Qwen1.5-110B-Chat",
    "together:Qwen/Qwen1.5-72B-Chat",
    "together:microsoft/WizardLM-2-8x22B",
    "together:meta-llama/Llama-3-70b-chat-hf",
    "together:mistralai/Mixtral-8x22B-Instruct-v0.1",
    "together:databricks/dbrx-instruct",
]
FOUR = ["strong-1", "strong-2", "strong-3", "strong-4"]
THREE = ["frontier-1", "frontier-2", "frontier-3"]

FAMILY = {
    "together-moa": (3, SIX, "together:Qwen/Qwen1.5-110B-Chat", 13),
    "moa-lite": (2, SIX, "together:Qwen/Qwen1.5-72B-Chat", 7),
    "moa-gpt4o": (3, SIX, "openai:gpt-4o", 13),
    "moa-turbo": (2, FOUR, "writer", 5),
    "frontier": (2, THREE, "frontier-1", 4),
}
"""Preset -> layers, proposers, aggregator, calls."""

Layers = Callable[[str], tuple[list[list[str]], str]]


def named(mixture: Mixture, model: str) -> str:
    """The reference behind a name from ``models``; a part stands for itself."""
    return str(mixture.models[model].model) if model in mixture.models else model


@pytest.mark.parametrize("name", FAMILY)
def test_layers_proposers_and_aggregator_are_those_of_the_paper(name: str) -> None:
    layers, proposers, aggregator, _ = FAMILY[name]
    mixture = load_preset(name)

    *proposing, closing = [[named(mixture, str(slot.model)) for slot in stage.all_slots()] for stage in mixture.stages]
    assert proposing == [proposers] * (layers - 1)
    assert closing == [aggregator]


@pytest.mark.parametrize("name", FAMILY)
async def test_simulated_it_makes_as_many_calls_as_its_page_says(name: str) -> None:
    calls = FAMILY[name][3]
    graph = create_moa(name, simulate=True).compile()

    result = await graph.ainvoke({"messages": [("user", "What is 17 * 24 + 3?")]})

    assert result["report"]["calls"] == calls
    assert f" = {calls}." in preset_page(name)
    assert "411" in result["messages"][-1].text


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_data_that_prints_and_loads_equal(name: str) -> None:
    mixture = load_preset(name)

    assert mixture.name == name
    assert Mixture.from_text(mixture.to_text()) == mixture
    jsonschema.validate(mixture.to_data(), Mixture.json_schema())


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_has_a_page(name: str) -> None:
    page = preset_page(name)

    for part in ("Source", "Calls: ", "Critical path: ", "Pays ", "Published: "):
        assert part in page


def test_published_figures_are_on_the_pages() -> None:
    assert "65.1" in preset_page("together-moa")
    assert "9.25" in preset_page("together-moa")
    assert "59.3" in preset_page("moa-lite")
    assert "9.18" in preset_page("moa-lite")
    assert "65.7" in preset_page("moa-gpt4o")
    assert "9.40" in preset_page("moa-gpt4o")
