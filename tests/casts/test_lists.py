"""Providers' lists: what is asked and when, what is chosen from them, and what stops nothing."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from moa_graph import create_moa
from moa_graph.casts.cast import Cast
from moa_graph.casts.choosing import choose_cast
from moa_graph.casts.gone import gone
from moa_graph.casts.listed_model import served_model
from moa_graph.casts.named import load_cast
from moa_graph.casts.shipped import shipped_casts
from tests.cli.conftest import Moa
from tests.providers import DEAD_AT_TOGETHER, provider_on_loopback

OLDEST = timedelta(days=120)


def listed(*names: str, **fields: Any) -> list[Any]:
    return [served_model("openai", {"id": name, **fields}) for name in names]


def names_of(cast: Cast | None, kind: str) -> list[str]:
    assert cast is not None
    return [model.name.partition(":")[2] for model in getattr(cast, kind)]


@pytest.mark.parametrize("provider", shipped_casts())
def test_a_shipped_cast_says_where_and_when_and_is_not_older_than_120_days(provider: str) -> None:
    cast = shipped_casts()[provider]
    today = datetime.now(UTC).date()
    for model in cast.models():
        assert model.source, model.name
        assert model.day is not None, model.name
        assert today - model.day < OLDEST, f"{model.name}: look at the provider's list again"
    assert cast.day is not None
    assert today - cast.day < OLDEST
    assert gone(model.name for model in cast.models()) == []


def test_the_first_question_asks_for_the_list_once_and_the_next_one_not_at_all(
    moa: Moa, monkeypatch: pytest.MonkeyPatch
) -> None:
    with provider_on_loopback("together") as provider:
        provider.set_environment(monkeypatch)
        for _ in range(2):
            result = moa("ask", "-m", "council", "What is six times seven?")
            assert result.exit_code == 0, result.stderr
            assert provider.lists == 1, result.stderr
        assert provider.dead_asked == []


def test_a_list_that_hangs_holds_a_question_up_for_two_seconds_and_only_once(
    moa: Moa, monkeypatch: pytest.MonkeyPatch
) -> None:
    with provider_on_loopback("together", list_hangs=True) as provider:
        provider.set_environment(monkeypatch)
        began = time.monotonic()
        result = moa("ask", "-m", "vote", "What is six times seven?")
        assert result.exit_code == 0, result.stderr
        assert "didn't answer within 2 s" in result.stderr
        assert time.monotonic() - began < 10  # of which 2 for the list
        assert moa("ask", "-m", "vote", "What is six times seven?").exit_code == 0
        assert provider.lists == 1


@pytest.mark.parametrize("name", ["together", "openai", "openrouter", "anthropic"])
def test_a_provider_of_whose_models_only_two_live_gives_an_answer_and_says_so(
    moa: Moa, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    models = [model.name.partition(":")[2] for model in shipped_casts()[name].models()]
    alive = tuple(models[1:3])
    with provider_on_loopback(name, served=alive, list_hangs=True) as provider:
        provider.set_environment(monkeypatch)
        result = moa("ask", "-m", "moa-turbo", "--cast", name, "--json", "What is six times seven?")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)["report"]
    assert "not_served" in report["degraded"][0]
    assert "moa models --cast --save" in result.stderr
    kinds = {failure["kind"] for stage in report["stages"] for failure in stage["failed"].values()}
    assert kinds == {"not_served"}


def test_dead_models_that_a_careless_list_shows_are_no_choice(moa: Moa, monkeypatch: pytest.MonkeyPatch) -> None:
    with provider_on_loopback("together") as provider:
        provider.set_environment(monkeypatch)
        shown = moa("models").stdout
    assert "zai-org/GLM-5.3 " in shown
    assert not any(dead in shown for dead in DEAD_AT_TOGETHER)


def test_a_chosen_cast_says_why_and_when_saved_is_auto(
    moa: Moa, monkeypatch: pytest.MonkeyPatch, configuration: Path
) -> None:
    with provider_on_loopback("openai", served=("gpt-6-sol", "gpt-6-luna", "text-embedding-3-small")) as provider:
        provider.set_environment(monkeypatch)
        monkeypatch.setenv("OPENAI_API_KEY", "a key")
        result = moa("models", "--cast", "--save")
    assert result.exit_code == 0, result.stderr
    assert "openai:gpt-6-sol" in result.stdout
    assert "text-embedding" not in result.stdout
    assert (configuration / "cast.yaml").is_file()
    saved = load_cast()
    assert {model.name for model in saved.models()} == {"openai:gpt-6-sol", "openai:gpt-6-luna"}


def test_nine_hundred_models_are_gone_through_and_different_makers_come_first() -> None:
    makers = ("meta-llama", "qwen", "mistralai", "google", "x-ai", "cohere")
    models = [
        served_model(
            "openrouter",
            {
                "id": f"{makers[number % 6]}/{('chat', 'embed', 'image', 'guard', 'tts')[number % 5]}-{number}",
                "pricing": {"prompt": "0.000001", "completion": "0.000004"},
                "created": 1_700_000_000 + number,
            },
        )
        for number in range(900)
    ]
    cast = choose_cast([model for model in models if model is not None])
    chosen = names_of(cast, "strong")
    assert len({name.partition("/")[0] for name in chosen}) == len(chosen)
    assert all("/chat-" in name for name in chosen)


def test_what_does_not_chat_and_previews_beside_a_stable_model_are_never_chosen() -> None:
    names = (
        "text-embedding-3-large", "gpt-image-2", "whisper-1", "omni-moderation-latest", "gpt-realtime-2", "tts-1",
        "gpt-7-preview", "gpt-7", "gpt-7-2027-01-01", "bge-reranker-large", "llama-guard-4-12b", "gpt-5.5-pro",
    )  # fmt: skip
    cast = choose_cast(listed(*names))
    assert cast is not None
    assert {model.name for model in cast.models()} == {"openai:gpt-7"}


def test_a_model_that_is_switched_off_soon_is_not_chosen() -> None:
    soon = (datetime.now(UTC) + timedelta(days=20)).date().isoformat()
    leaving = listed("gpt-8", shutdown_date=soon)
    cast = choose_cast([*leaving, *listed("gpt-7")])
    assert cast is not None
    assert {model.name for model in cast.models()} == {"openai:gpt-7"}


def test_a_lone_model_plays_every_part_and_that_is_said() -> None:
    graph = create_moa("council", cast={"strong": "together:zai-org/GLM-5.3"})
    assert set(graph.casting.players.values()) == {"together:zai-org/GLM-5.3"}
    assert "one model answers in place of 3 strong ones" in graph.casting.notes[0]


def test_the_papers_mixture_is_cast_anew_as_a_whole_where_that_is_asked_for() -> None:
    kept, anew = create_moa("together-moa"), create_moa("together-moa", cast="openai")
    assert kept.casting.players == {}
    assert {player.partition(":")[0] for player in anew.casting.players.values()} == {"openai"}
    assert anew.casting.players["qwen-110b"] == "openai:gpt-6-sol"
    assert [slot.name for slot in anew.plan.stages[0].slots] == [slot.name for slot in kept.plan.stages[0].slots]


def test_a_substitute_leaves_its_old_models_address_and_price_behind() -> None:
    models = {"a": {"model": "openai:local", "base_url": "http://127.0.0.1:1/v1", "price": {"input": 0, "output": 0}}}
    mixture = {"models": models, "stages": [{"aggregate": {"slot": "a"}}]}
    graph = create_moa(mixture, substitute={"openai:local": "openai:gpt-6-sol"})
    member = graph.plan.stages[0].slots[0].members[0]
    assert member.settings.base_url is None
    assert member.price is not None
    assert member.price.output == 10
