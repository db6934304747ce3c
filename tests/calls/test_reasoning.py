"""Models that think before they answer: their answers come, are counted apart, and nobody else reads their thoughts."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moa_graph import create_moa
from moa_graph.errors import BudgetTooSmall, RunFailed
from tests.providers import provider_on_loopback

QUESTION = {"messages": [("user", "What is six times seven?")]}
MODELS = ("zai-org/GLM-5.3", "deepseek-ai/DeepSeek-V4-Pro-0813")


def thinking_mixture(**fields: object) -> dict[str, object]:
    models = {"a": {"model": f"together:{MODELS[0]}", **fields}, "b": {"model": f"together:{MODELS[1]}", **fields}}
    return {"models": models, "stages": [{"propose": {"slots": ["a", "b"]}}, {"aggregate": {"slot": "a"}}]}


async def test_an_answer_comes_though_more_is_thought_than_max_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    with provider_on_loopback("together", thinks=900) as provider:
        provider.set_environment(monkeypatch)
        mixture = thinking_mixture(max_tokens=512, reasoning="low")
        result = await create_moa(mixture).compile().ainvoke(QUESTION)
    assert result["messages"][-1].text == "The answer is 42."
    assert result["report"]["degraded"] == []
    assert len(provider.asked) == 3
    assert result["report"]["usage"]["reasoning"] == 2700
    assert "hm." not in str([body["messages"] for body in provider.asked])


async def test_an_answer_that_ended_in_its_reasoning_is_asked_once_more_with_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with provider_on_loopback("together", thinks=5000) as provider:
        provider.set_environment(monkeypatch)
        mixture = thinking_mixture(max_tokens=512, reasoning="low")
        result = await create_moa(mixture).compile().ainvoke(QUESTION)
    assert result["messages"][-1].text == "The answer is 42."
    assert len(provider.asked) == 6
    assert "asked again with more room for its reasoning" in result["records"][0]["notes"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    thinks=st.integers(0, 60_000),
    usd=st.none() | st.floats(0.001, 0.5),
    tokens=st.none() | st.integers(1_000, 100_000),
    max_tokens=st.integers(16, 4_000),
    reasoning=st.sampled_from(["off", "low", "medium", "high", "default", 2_000]),
)
def test_the_servers_own_count_never_passes_the_budget(
    thinks: int,
    usd: float | None,
    tokens: int | None,
    max_tokens: int,
    reasoning: str | int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    budget = {name: most for name, most in {"usd": usd, "tokens": tokens}.items() if most is not None}
    with provider_on_loopback("together", thinks=thinks) as provider:
        provider.set_environment(monkeypatch)
        mixture = {**thinking_mixture(max_tokens=max_tokens, reasoning=reasoning), "budget": budget}
        with suppress(RunFailed, BudgetTooSmall):  # where more is thought than can be paid for
            asyncio.run(create_moa(mixture).compile().ainvoke(QUESTION))
    dollars = (provider.input_tokens * 1.4 + provider.output_tokens * 4.4) / 1e6
    assert provider.output_tokens + provider.input_tokens <= (tokens or math.inf)
    assert dollars <= (usd or math.inf)


@pytest.mark.parametrize("kept", [False, True])
async def test_reasoning_is_kept_for_reading_where_that_is_asked_for(
    kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with provider_on_loopback("together", thinks=10) as provider:
        provider.set_environment(monkeypatch)
        mixture = thinking_mixture(max_tokens=512, keep_reasoning=kept)
        result = await create_moa(mixture).compile().ainvoke(QUESTION)
    assert [record.get("reasoning") for record in result["records"]] == [("hm. " * 5) if kept else None] * 3
    assert "hm." not in result["messages"][-1].text
    assert "hm." not in str([body["messages"] for body in provider.asked])
