"""Prices and windows: known ones right, unknown ones None, none of them guessed."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel

from moa_graph.description import ModelSettings, Price
from moa_graph.models.prices import cost, price_of, window_of
from moa_graph.models.simulated import SimulatedChatModel
from moa_graph.models.simulation.profile import Profile


def settings(model: Any, **fields: Any) -> ModelSettings:
    return ModelSettings(model=model, **fields)


@pytest.mark.parametrize(
    ("model", "price", "window"),
    [
        ("openai:gpt-4o", Price(input=2.5, output=10, cached_input=1.25), 128_000),
        ("together:meta-llama/Llama-3.3-70B-Instruct-Turbo", Price(input=0.88, output=0.88), None),
    ],
)
def test_the_price_list_is_read(model: str, price: Price, window: int | None) -> None:
    assert price_of(settings(model)) == price
    assert window_of(settings(model)) == window


@pytest.mark.parametrize(
    "model",
    [
        "together:Qwen/no-such-model",
        "openai:llama3.1",
        "ollama:llama3.1",
        "recorded:file#gpt-4o",
        "google_vertexai:claude-2",  # for which the list falls back to Anthropic's own price
        "azure_openai:gpt-4o",
        "perplexity:sonar-pro",  # has a price for each request besides
    ],
)
def test_a_price_that_the_list_does_not_hold_for_this_host_is_unknown(model: str) -> None:
    assert price_of(settings(model)) is None


def test_a_host_of_ones_own_has_no_list_price() -> None:
    assert price_of(settings("openai:gpt-4o", base_url="http://localhost:8000/v1")) is None
    assert window_of(settings("openai:gpt-4o", base_url="http://localhost:8000/v1")) is None
    assert price_of(settings("openai:gpt-4o", base_url="https://api.openai.com/v1")) is not None


def test_another_providers_host_has_that_providers_price() -> None:
    groq = settings("openai:llama-3.3-70b-versatile", base_url="https://api.groq.com/openai/v1")
    assert price_of(groq) == price_of(settings("groq:llama-3.3-70b-versatile")) != None  # noqa: E711


def test_what_the_description_says_comes_first() -> None:
    given = settings("openai:gpt-4o", price=Price(input=1, output=2), window=1000)
    assert (price_of(given), window_of(given)) == (Price(input=1, output=2), 1000)


def test_a_reasoning_models_window_is_what_it_reads_not_what_it_reads_and_writes() -> None:
    assert window_of(settings("openai:gpt-5")) == 272_000


def test_a_simulated_model_has_its_profiles_price_and_window() -> None:
    simulation = Profile.model_validate({"name": "mine", "price": {"input": 1, "output": 2}, "window": 500})
    model = SimulatedChatModel(model="mine", simulation=simulation)
    assert (price_of(settings(model)), window_of(settings(model))) == (Price(input=1, output=2), 500)
    assert price_of(settings("sim:steady")) == Price(input=0, output=0)
    assert window_of(settings("sim:steady")) == 128_000


def test_an_object_without_a_profile_has_neither() -> None:
    unknown = settings(FakeListChatModel(responses=["a"]))
    assert (price_of(unknown), window_of(unknown)) == (None, None)


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        (Price(input=2, output=8), (1000 * 2 + 100 * 8) / 1_000_000),
        (Price(input=2, output=8, cached_input=1), (400 * 2 + 600 * 1 + 100 * 8) / 1_000_000),
        (Price(input=0, output=0), 0.0),
        (None, None),
    ],
)
def test_cost_counts_cached_tokens_at_their_own_price(price: Price | None, expected: float | None) -> None:
    assert cost(price, {"input": 1000, "output": 100, "cached": 600}) == pytest.approx(expected)


def test_the_cost_of_an_unknown_usage_is_unknown() -> None:
    assert cost(Price(input=1, output=1), None) is None
