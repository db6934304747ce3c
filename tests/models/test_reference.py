"""Written references: what is understood, what is refused, and whose key goes where."""

from __future__ import annotations

import re

import pytest
from langchain.chat_models import init_chat_model

from moa_graph.description import ModelSettings
from moa_graph.errors import MixtureError
from moa_graph.models.reference import PROVIDERS, ModelReference, key_variable_of, parse


@pytest.mark.parametrize(
    ("text", "provider", "name", "label"),
    [
        ("together:Qwen/Qwen2.5-72B-Instruct-Turbo", "together", "Qwen/Qwen2.5-72B-Instruct-Turbo", None),
        ("openai:llama3.1:8b", "openai", "llama3.1:8b", "llama3.1-8b"),
        ("openrouter:meta-llama/llama-3:free", "openrouter", "meta-llama/llama-3:free", "llama-3-free"),
        ("recorded:data/gsm8k.jsonl.gz#gpt-4o", "recorded", "data/gsm8k.jsonl.gz#gpt-4o", "gpt-4o"),
        (" sim:steady ", "sim", "steady", "steady"),
        ("azure_openai:a|b", "azure_openai", "a|b", "a-b"),
    ],
)
def test_a_reference_is_read_and_labelled(text: str, provider: str, name: str, label: str | None) -> None:
    reference = parse(text)
    assert (reference.provider, reference.name) == (provider, name)
    assert reference.label == (label or "Qwen2.5-72B-Instruct-Turbo")
    assert parse(str(reference)) == reference


@pytest.mark.parametrize("text", ["gpt-4o", "", "together:", ":gpt-4o", "Qwen/Qwen2.5-7B"])
def test_text_without_a_provider_or_a_name_is_refused_with_the_way_to_write_it(text: str) -> None:
    with pytest.raises(MixtureError, match=r"isn't a known model.*provider:name, such as together:"):
        parse(text)


def test_a_name_that_is_nearly_one_of_the_mixture_is_suggested() -> None:
    with pytest.raises(MixtureError, match=r"Did you mean qwen\? Named in this mixture: llama, qwen\."):
        parse("qwenn", ["qwen", "llama"])


def test_a_provider_that_is_nearly_known_is_suggested() -> None:
    with pytest.raises(MixtureError, match=r"no provider 'togther'\. Did you mean together\b"):
        parse("togther:Qwen/Qwen2.5-7B")


def test_every_provider_of_init_chat_model_is_known() -> None:
    with pytest.raises(ValueError, match="Supported model providers are") as refused:
        init_chat_model("any", model_provider="nobody")
    supported = re.findall(r"\w+", str(refused.value).partition("providers are:")[2])
    assert len(supported) > 20
    assert set(supported) <= set(PROVIDERS)


@pytest.mark.parametrize(
    ("text", "base_url", "named", "expected"),
    [
        ("together:any", None, None, "TOGETHER_API_KEY"),
        ("openai:any", None, None, "OPENAI_API_KEY"),
        ("openrouter:any", None, None, "OPENROUTER_API_KEY"),
        ("anthropic:any", None, None, "ANTHROPIC_API_KEY"),
        ("google_genai:any", None, None, "GOOGLE_API_KEY"),
        ("sim:any", None, None, None),
        ("recorded:file#any", None, None, None),
        ("ollama:any", None, None, None),
        ("openai:any", "http://localhost:11434/v1", None, None),
        ("openai:any", "http://localhost:8000/v1", "VLLM_API_KEY", "VLLM_API_KEY"),
        ("openai:any", "https://api.openai.com/v1", None, "OPENAI_API_KEY"),
        ("openai:any", "https://api.openai.com.example.org/v1", None, None),
        ("together:any", "https://proxy.example.org/v1", None, None),
        ("openai:any", None, "SECOND_API_KEY", "SECOND_API_KEY"),
    ],
)
def test_a_key_is_meant_for_its_providers_host_only(
    text: str, base_url: str | None, named: str | None, expected: str | None
) -> None:
    settings = ModelSettings(model=text, base_url=base_url, key_variable=named)
    assert key_variable_of(parse(text), settings) == expected


def test_a_reference_prints_as_it_is_written() -> None:
    assert str(ModelReference("sim", "steady")) == "sim:steady"
