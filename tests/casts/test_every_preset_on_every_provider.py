"""With any one provider alone, every preset answers as it is, whole, from models that are served."""

from __future__ import annotations

import pytest

from moa_graph import create_moa, preset_names
from tests.providers import provider_on_loopback

QUESTION = {"messages": [("user", "What is six times seven?")]}


@pytest.mark.parametrize("name", ["together", "openai", "openrouter", "anthropic"])
async def test_every_preset_answers_on_its_key_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table: dict[str, str] = {}
    with provider_on_loopback(name) as provider:
        provider.set_environment(monkeypatch)
        for preset in preset_names():
            result = await create_moa(preset).compile().ainvoke(QUESTION)
            report = result["report"]
            table[preset] = str(report["degraded"] or report["failed_calls"] or "answers")
    assert table == dict.fromkeys(preset_names(), "answers")
    assert provider.dead_asked == []
    assert provider.lists == 0  # a library call asks for no list
