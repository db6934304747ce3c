from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from moa_graph.casts.listing import places_listed
from moa_graph.cli.served import Availability, served_models
from moa_graph.description import ModelSettings
from moa_graph.models.catalogue import Catalogue
from tests.cli.conftest import Moa, WriteMixture
from tests.loopback import Asked, Reply, loopback_in_thread
from tests.providers import provider_on_loopback

SECRET = "a-very-secret-key"


def listing(*models: str, bare: bool = False) -> Callable[[Asked], Reply]:
    """A provider's list of models: an object, or the bare list that Together gives."""
    data = [{"id": model} for model in models]
    return lambda asked: Reply(body=json.dumps(data if bare else {"data": data}).encode())


def test_without_anything_the_simulated_default_is_fine_and_says_how_to_get_real_models(moa: Moa) -> None:
    result = moa("doctor")
    assert result.exit_code == 0
    assert "TOGETHER_API_KEY    not set" in result.stdout
    assert "no key is set, and no local server answers" in result.stdout
    assert "the models are simulated: set TOGETHER_API_KEY" in result.stdout


def test_simulated_models_that_a_file_names_are_not_said_to_become_real_by_a_key(moa: Moa, instant: str) -> None:
    note = "the models are simulated: test-mixture names them so; write models of a provider"
    named = moa("doctor", "-m", instant, env={"TOGETHER_API_KEY": SECRET}).stdout
    assert note in named
    assert "MOA_SIMULATE" not in named.rpartition("Good to know")[2]
    both = moa("doctor", "-m", instant, env={"MOA_SIMULATE": "1"}).stdout
    assert f"{note} in their place (PROVIDER:NAME), and leave out MOA_SIMULATE" in both


def test_stand_ins_for_real_models_are_said_to_go_with_moa_simulate(moa: Moa) -> None:
    shown = moa("doctor", "-m", "moa-lite", env={"MOA_SIMULATE": "1"}).stdout
    assert "  the models are simulated: leave out MOA_SIMULATE\n" in shown


def test_a_missing_key_is_a_problem_that_names_every_model_that_needs_it(moa: Moa) -> None:
    result = moa("doctor", "--mixture", "moa-turbo")
    assert result.exit_code == 1
    needed_by = "strong-1, strong-2, strong-3, strong-4, writer"
    assert f"TOGETHER_API_KEY is not set, for {needed_by}: set it, or try" in result.stdout


@pytest.mark.parametrize("named", [(), ("-m", "council")])
@pytest.mark.parametrize("path", ["/v1", ""])
def test_a_server_of_the_environment_that_cannot_be_used_is_a_problem_beside_all_else(
    moa: Moa, named: tuple[str, ...], path: str
) -> None:
    with loopback_in_thread(lambda asked: Reply(401 if "/v1" in asked.path else 404, b"{}")) as server:
        address = server.url.removesuffix("/v1") + path
        result = moa("doctor", *named, env={"OPENAI_BASE_URL": address, "OPENAI_API_KEY": SECRET})
    assert result.exit_code == 1
    assert "OPENAI_API_KEY      set" in result.stdout
    refused, lost = "refuses the key (HTTP 401)", "has no list of models (HTTP 404)"
    assert (refused if path else lost) in result.stdout.partition("Problems")[2]
    assert SECRET not in result.output


def test_keys_are_named_and_never_shown(moa: Moa, write_mixture: WriteMixture) -> None:
    settings = {"model": "openai:one", "key_variable": "TEST_API_KEY"}
    with loopback_in_thread(lambda asked: Reply(401, f'{{"error": "no {SECRET}"}}'.encode())) as server:
        mixture = write_mixture({name: {**settings, "base_url": server.url} for name in ("one", "writer")})
        result = moa("doctor", "-m", mixture, env={"TEST_API_KEY": SECRET, "GROQ_API_KEY": SECRET})
    assert "TEST_API_KEY        set" in result.stdout
    assert "GROQ_API_KEY        set" in result.stdout
    assert SECRET not in result.stdout + result.stderr
    assert server.asked[0].headers["authorization"] == f"Bearer {SECRET}"


def test_a_retired_model_is_a_problem_and_a_near_one_is_named(moa: Moa, write_mixture: WriteMixture) -> None:
    with loopback_in_thread(listing("llama-3.3-70b", "gemma")) as server:
        models = {"kept": "gemma", "retired": "llama-3-70b"}
        served = {name: {"model": f"openai:{model}", "base_url": server.url} for name, model in models.items()}
        result = moa("doctor", "-m", write_mixture(served))
    assert len(server.asked) == 1
    assert result.exit_code == 1
    problem = "retired: openai:llama-3-70b is not served. Did you mean llama-3.3-70b? Use another instead"
    assert problem in result.stdout
    assert "kept: openai:gemma is not served" not in result.stdout


def test_what_is_unknown_says_how_to_make_it_known(moa: Moa, write_mixture: WriteMixture) -> None:
    with loopback_in_thread(listing("gemma")) as server:
        served = {"model": "openai:gemma", "base_url": server.url}
        result = moa("doctor", "-m", write_mixture({"one": served, "writer": served}))
    assert "the price of one, writer is unknown" in result.stdout
    assert "the window of one, writer is unknown" in result.stdout
    assert result.exit_code == 0


def test_a_local_server_is_found_and_chosen(moa: Moa, monkeypatch: pytest.MonkeyPatch) -> None:
    with loopback_in_thread(listing("gemma", "qwen")) as server:
        monkeypatch.setattr("moa_graph.detection.SERVERS", {"Ollama": urlsplit(server.url).port})
        result = moa("doctor")
    assert "serves gemma, qwen" in result.stdout
    assert "Mixture: ollama" in result.stdout


def test_an_unknown_mixture_is_bad_use(moa: Moa) -> None:
    assert moa("doctor", "-m", "moa-lit").exit_code == 2


def members(url: str, **models: str) -> list[Any]:
    settings = {name: ModelSettings(model=f"openai:{model}", base_url=url) for name, model in models.items()}
    catalogue = Catalogue(settings)
    return [catalogue.member(name) for name in settings]


@pytest.mark.parametrize("bare", [False, True])
async def test_both_forms_of_a_list_are_read(bare: bool) -> None:
    with loopback_in_thread(listing("a", "b:latest", bare=bare)) as server:
        found = await served_models(members(server.url, one="a", two="b", three="c"))
    assert {name: served.yes for name, served in found.items()} == {"one": True, "two": True, "three": False}


@pytest.mark.parametrize("reply", [Reply(500), Reply(body=b"<html>"), Reply(body=b'{"models": []}'), None])
async def test_a_list_that_cannot_be_read_leaves_open_what_is_served(reply: Reply | None) -> None:
    with loopback_in_thread(lambda asked: reply) as server:
        found = await served_models(members(server.url, one="a"))
    assert found["one"].yes is None
    assert found["one"].told.startswith(f"{server.url}/models couldn't be ")


async def test_simulated_models_are_on_no_list() -> None:
    assert await served_models([Catalogue({}).member("sim:a")]) == {}
    assert Availability(None).told == ""


def test_the_doctor_asks_the_list_of_what_can_be_called(moa: Moa, monkeypatch: pytest.MonkeyPatch) -> None:
    with provider_on_loopback("together") as provider:
        provider.set_environment(monkeypatch)
        dead = moa("doctor", "-m", "moa-lite", "--cast", "auto").stdout
        kept = {"model": "together:deepseek-ai/DeepSeek-V3"}
        mixture = {"models": {"kept": kept}, "stages": [{"aggregate": {"slot": "kept"}}]}
        Path("mine.json").write_text(json.dumps(mixture))
        named = moa("doctor", "-m", "mine.json")
    assert "Problems\n  none" in dead
    assert named.exit_code == 1
    assert "kept: together:deepseek-ai/DeepSeek-V3 is not served." in named.stdout


def test_a_probe_tells_its_price_first_and_the_truth(moa: Moa, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places_listed, "__defaults__", (1.0,))  # seconds, for the list that hangs
    with provider_on_loopback("together", served=("zai-org/GLM-5.3",), list_hangs=True) as provider:
        provider.set_environment(monkeypatch)
        result = moa("doctor", "-m", "moa-turbo", "--probe")
        asked = [body["model"] for body in provider.asked]
    assert "asking 4 models one tiny question, for at most $0.000" in result.stderr
    assert sorted(asked) == sorted(set(asked))
    assert "answers in" in result.stdout
    assert "together:Qwen/Qwen3.7-Plus: not_served: HTTP 400" in result.stdout
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("reply", "path", "key", "told"),
    [
        (Reply(status=401, body=b"{}"), "/v1", "wrong-key", "rejects the key in MY_KEY (HTTP 401): set the right one"),
        (
            Reply(status=404, body=b"{}"),
            "",
            None,
            "was not found (HTTP 404): correct the address, most of which end in /v1",
        ),
        (Reply(status=401, body=b"{}"), "/v1", None, "requires a key (HTTP 401): name the environment variable"),
    ],
)
def test_a_server_that_would_refuse_a_run_is_a_problem(
    moa: Moa, write_mixture: Any, monkeypatch: pytest.MonkeyPatch, reply: Reply, path: str, key: str | None, told: str
) -> None:
    if key:
        monkeypatch.setenv("MY_KEY", key)
    with loopback_in_thread(lambda asked: reply) as server:
        settings = {"model": "openai:any", "base_url": server.url.removesuffix("/v1") + path}
        mixture = write_mixture({"one": {**settings, **({"key_variable": "MY_KEY"} if key else {})}, "two": settings})
        result = moa("doctor", "-m", mixture)
    assert result.exit_code == 1
    problems = result.stdout.partition("Problems\n")[2].partition("Good to know")[0]
    assert told in problems
    assert "wrong-key" not in result.output


def test_a_server_that_is_not_reached_is_a_problem(moa: Moa, write_mixture: Any) -> None:
    settings = {"model": "openai:any", "base_url": "http://127.0.0.1:1/v1"}
    result = moa("doctor", "-m", write_mixture({"one": settings, "two": settings}))
    assert result.exit_code == 1
    assert result.stdout.count("couldn't be reached") == 1
