"""With any one provider alone, every preset answers as it is, whole, from models that are served."""

from __future__ import annotations

import json

import pytest

from moa_graph import create_moa, preset_names
from tests.cli.conftest import Moa
from tests.providers import provider_on_loopback

QUESTION = {"messages": [("user", "What is six times seven?")]}


PROVIDERS = [
    ("together", 0),
    ("openai", 0),
    ("anthropic", 0),
    pytest.param("openrouter", 0, marks=pytest.mark.acceptance),
    pytest.param("together", 900, marks=pytest.mark.acceptance),
    pytest.param("openai", 900, marks=pytest.mark.acceptance),
]
"""Each provider, and the tokens that its models think before the first word."""


@pytest.mark.parametrize(("name", "thinks"), PROVIDERS)
async def test_every_preset_answers_on_its_key_alone(name: str, thinks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    table: dict[str, str] = {}
    with provider_on_loopback(name, thinks=thinks) as provider:
        provider.set_environment(monkeypatch)
        for preset in preset_names():
            result = await create_moa(preset).compile().ainvoke(QUESTION)
            report = result["report"]
            table[preset] = str(report["degraded"] or report["failed_calls"] or "answers")
    assert table == dict.fromkeys(preset_names(), "answers")
    assert provider.dead_asked == []
    assert provider.lists == 0  # a library call asks for no list


def asked_by_command(moa: Moa) -> dict[str, str]:
    """Each preset, and what became of a question to it from the command line."""
    table: dict[str, str] = {}
    for preset in preset_names():
        result = moa("ask", "-m", preset, "--json", "What is six times seven?")
        report = json.loads(result.stdout)["report"] if result.exit_code == 0 else {"degraded": [result.stderr]}
        table[preset] = str(report["degraded"] or report["failed_calls"] or "answers")
    return table


@pytest.mark.slow
def test_every_preset_answers_on_a_local_server_alone(moa: Moa, monkeypatch: pytest.MonkeyPatch) -> None:
    with provider_on_loopback("ollama") as provider:
        provider.set_environment(monkeypatch)
        table = asked_by_command(moa)
    assert table == dict.fromkeys(preset_names(), "answers")
    assert provider.dead_asked == []


@pytest.mark.acceptance
def test_every_preset_answers_where_the_list_hangs(moa: Moa, monkeypatch: pytest.MonkeyPatch) -> None:
    with provider_on_loopback("together", list_hangs=True) as provider:
        provider.set_environment(monkeypatch)
        table = asked_by_command(moa)
    assert table == dict.fromkeys(preset_names(), "answers")
    assert provider.dead_asked == []
    assert provider.lists == 1


@pytest.mark.acceptance
def test_every_preset_answers_where_nine_hundred_models_are_listed(moa: Moa, monkeypatch: pytest.MonkeyPatch) -> None:
    makers = ("meta-llama", "qwen", "mistralai", "google", "x-ai", "cohere")
    kinds = ("chat", "embed", "image", "guard", "tts")
    served = tuple(f"{makers[number % 6]}/{kinds[number % 5]}-{number}" for number in range(900))
    with provider_on_loopback("openrouter", served=served) as provider:
        provider.set_environment(monkeypatch)
        table = asked_by_command(moa)
    assert table == dict.fromkeys(preset_names(), "answers")
    assert provider.dead_asked == []
    assert provider.lists == 1
    assert all("/chat-" in body["model"] for body in provider.asked)
