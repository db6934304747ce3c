"""How much a model is told to think, in each provider's own way, and the room that it is given for it."""

from __future__ import annotations

from typing import Any

import pytest

from moa_graph.description import ModelSettings
from moa_graph.models.catalogue import Catalogue
from moa_graph.models.reasoning import ROOM, less, reasoning_fields, reasons, room_for
from moa_graph.models.reference import parse

OFF_AND_LOW: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "openai:gpt-6-sol": ({"reasoning_effort": "none"}, {"reasoning_effort": "low"}),
    "openai:gpt-5-mini": ({"reasoning_effort": "minimal"}, {"reasoning_effort": "low"}),
    "together:zai-org/GLM-5.3": (
        {"extra_body": {"reasoning": {"enabled": False}}},
        {"extra_body": {"reasoning": {"enabled": True}, "reasoning_effort": "low"}},
    ),
    "together:openai/gpt-oss-120b": (
        {"extra_body": {"reasoning_effort": "low"}},
        {"extra_body": {"reasoning_effort": "low"}},
    ),
    "openrouter:~google/gemini-flash-latest": (
        {"extra_body": {"reasoning": {"effort": "none"}}},
        {"extra_body": {"reasoning": {"effort": "low"}}},
    ),
    "deepseek:deepseek-v4-pro": (
        {"extra_body": {"thinking": {"type": "disabled"}}},
        {"extra_body": {"thinking": {"type": "enabled"}, "reasoning_effort": "low"}},
    ),
    "anthropic:claude-sonnet-5-5": ({"reasoning_effort": "low"}, {"reasoning_effort": "low"}),
    "anthropic:claude-haiku-5-5": ({"thinking": {"type": "disabled"}}, {"reasoning_effort": "low"}),
    "google_genai:gemini-2.5-flash": ({"thinking_budget": 0}, {"thinking_budget": 2048}),
    "google_genai:gemini-3.8-flash": ({"thinking_level": "minimal"}, {"thinking_level": "low"}),
    "groq:qwen/qwen3.8-27b": (
        {"extra_body": {"reasoning_effort": "none"}},
        {"extra_body": {"reasoning_effort": "default"}},
    ),
}


@pytest.mark.parametrize("model", OFF_AND_LOW)
def test_each_provider_is_told_in_its_own_way(model: str) -> None:
    told = [reasoning_fields(parse(model), ModelSettings(model=model, reasoning=one)) for one in ("off", "low")]
    assert tuple(told) == OFF_AND_LOW[model]


def test_a_server_of_ones_own_is_told_by_effort_and_template() -> None:
    settings = ModelSettings(model="openai:qwen3:4b", base_url="http://127.0.0.1:11434/v1", reasoning="off")
    assert reasoning_fields(parse("openai:qwen3:4b"), settings) == {
        "extra_body": {"reasoning_effort": "none", "chat_template_kwargs": {"enable_thinking": False}}
    }


def test_a_model_that_does_not_think_is_told_nothing_and_given_no_room() -> None:
    model = "together:meta-llama/Llama-3.3-70B-Instruct-Turbo"
    settings = ModelSettings(model=model, reasoning="medium", max_tokens=512)
    assert reasons(parse(model)) is False
    assert reasoning_fields(parse(model), settings) == {}
    assert room_for(parse(model), settings) == 0


@pytest.mark.parametrize("reasoning", ["low", "medium", "high", "default"])
def test_max_tokens_is_for_the_answer_and_room_is_added(reasoning: Any) -> None:
    settings = ModelSettings(model="openai:gpt-6-sol", reasoning=reasoning, max_tokens=512)
    member = Catalogue({"one": settings}).member("one")
    assert member.settings.max_tokens == 512
    assert member.most_output == member.sent.max_tokens == 512 + ROOM[reasoning]
    again = member.asked_with({"max_tokens": 100})
    assert (again.settings.max_tokens, again.most_output) == (100, 100 + ROOM[reasoning])


def test_a_budget_of_tokens_is_the_room() -> None:
    settings = ModelSettings(model="anthropic:claude-haiku-4-5", reasoning=3000, max_tokens=500)
    assert room_for(parse("anthropic:claude-haiku-4-5"), settings) == 3000
    told = reasoning_fields(parse("anthropic:claude-haiku-4-5"), settings)
    assert told == {"thinking": {"type": "enabled", "budget_tokens": 3000}, "temperature": None}


def test_less_thinking_ends_at_off() -> None:
    assert [less(one) for one in ("high", "medium", "low", "off", 3000)] == ["low", "off", "off", None, "off"]
