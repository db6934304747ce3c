from __future__ import annotations

import json
import threading
from urllib.parse import urlsplit

import pytest

from moa_graph import create_moa, detection
from moa_graph.casts import served_list
from moa_graph.detection import detect, look_for_servers
from moa_graph.errors import ServerSilent, ServerUnusable
from moa_graph.mixture import Mixture
from moa_graph.models.prices import price_of
from tests.loopback import Asked, Reply, loopback_in_thread


@pytest.fixture(autouse=True)
def nobody_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "SERVERS", {"Nobody": 1})


def references(mixture: Mixture) -> set[str]:
    return {str(settings.model) for settings in mixture.models.values()}


def test_the_keys_that_are_set_choose_the_models_and_mix_their_makers(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for variable in ("OPENROUTER_API_KEY", "OPENAI_API_KEY", "TOGETHER_API_KEY"):
        monkeypatch.setenv(variable, "some-key")
        mixture, why = detect()
        assert variable in why
        asked = create_moa(mixture).casting.players.values()
        found.append({reference.partition(":")[0] for reference in asked})
    assert found == [{"openrouter"}, {"openai", "openrouter"}, {"together", "openai", "openrouter"}]


def test_an_empty_key_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOGETHER_API_KEY", "")
    mixture, why = detect()
    assert create_moa(mixture).plan.simulated
    assert "no key is set" in why


@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "OPENROUTER_API_KEY"])
def test_the_prices_of_the_default_models_are_known(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "some-key")
    mixture, _ = detect()
    cast = create_moa(mixture).casting.mixture.models
    assert {name: price_of(settings) for name, settings in cast.items() if not price_of(settings)} == {}


def serving(*models: str) -> Reply:
    return Reply(body=json.dumps({"object": "list", "data": [{"id": model} for model in models]}).encode())


def test_a_local_server_is_used_where_no_key_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    with loopback_in_thread(lambda asked: serving("llama3.1:8b", "nomic-embed-text", "qwen3:4b")) as server:
        monkeypatch.setattr(detection, "SERVERS", {"Ollama": urlsplit(server.url).port})
        mixture, why = detect()
    assert server.asked[0].path == "/v1/models"
    assert references(mixture) == {"openai:llama3.1:8b", "openai:qwen3:4b"}
    assert mixture.limits["openai"].concurrency == 1
    assert {settings.max_tokens for settings in mixture.models.values()} == {1024}
    assert {settings.base_url for settings in mixture.models.values()} == {server.url}
    assert "Ollama answers" in why
    assert not create_moa(mixture).plan.simulated


def test_the_only_model_of_a_server_is_asked_three_times(monkeypatch: pytest.MonkeyPatch) -> None:
    mixture, _ = detect([detection.LocalServer("vLLM", "http://127.0.0.1:8000/v1", ("only",))])
    assert [slot.samples for stage in mixture.stages for slot in stage.all_slots()] == [3, 1]


def test_a_server_without_models_is_not_used() -> None:
    mixture, _ = detect([detection.LocalServer("vLLM", "http://127.0.0.1:8000/v1", ())])
    assert create_moa(mixture).plan.simulated


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"data": 3}', b'{"data": [{}]}', b"\xff\xfe", b""])
def test_what_does_not_speak_the_protocol_is_no_server(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    with loopback_in_thread(lambda asked: Reply(body=body)) as server:
        monkeypatch.setattr(detection, "SERVERS", {"Something": urlsplit(server.url).port})
        assert look_for_servers() == []


def test_a_server_that_breaks_off_is_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def reset(asked: Asked) -> Reply | None:
        return None

    with loopback_in_thread(reset) as server:
        monkeypatch.setattr(detection, "SERVERS", {"Something": urlsplit(server.url).port})
        assert look_for_servers() == []


def test_servers_are_asked_without_the_environments_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with loopback_in_thread(lambda asked: serving("one")) as server:
        monkeypatch.setattr(detection, "SERVERS", {"Ollama": urlsplit(server.url).port})
        assert [found.models for found in look_for_servers()] == [("one",)]


def test_a_busy_server_is_waited_for_and_a_person_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told, said = threading.Event(), list[str]()

    def busy(asked: Asked) -> Reply:
        assert told.wait(10)
        return serving("busy-model")

    def say(text: str) -> None:
        said.append(text)
        told.set()

    monkeypatch.setattr(detection, "SAID_AFTER", 0.01)
    with loopback_in_thread(busy) as server:
        monkeypatch.setattr(detection, "SERVERS", {"Ollama": urlsplit(server.url).port, "Nobody": 1})
        mixture, _ = detect(say=say)
    assert references(mixture) == {"openai:busy-model"}
    assert said == ["Ollama on this machine is busy: waiting up to 60 s for the list of its models"]


@pytest.mark.parametrize("reply", [Reply(hangs=True), Reply(status=503, body=b'{"error": "Loading model"}')])
def test_a_server_that_does_not_list_its_models_is_an_error_not_a_simulation(
    monkeypatch: pytest.MonkeyPatch, reply: Reply
) -> None:
    monkeypatch.setattr(served_list, "LONGEST_WAIT", 0.1)
    with loopback_in_thread(lambda asked: reply) as server:
        monkeypatch.setattr(detection, "SERVERS", {"Ollama": urlsplit(server.url).port})
        with pytest.raises(ServerSilent, match=r"Ollama: .*--simulate"):
            detect()


@pytest.mark.parametrize("key", ["", "servers-key"])
def test_the_models_of_openai_base_url_are_asked_with_and_without_a_key(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with loopback_in_thread(lambda asked: serving("mine", "embed-mine")) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/")
        mixture, why = detect()
    assert references(mixture) == {"openai:mine"}
    assert why == "OPENAI_BASE_URL is set"
    assert server.asked[0].headers.get("authorization") == (f"Bearer {key}" if key else None)
    assert [member.missing_key() for member in create_moa(mixture).plan.members.values()] == [None]


def test_an_openai_base_url_where_nobody_listens_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    with pytest.raises(ServerUnusable, match=r"OPENAI_BASE_URL: .* can't be reached .*: start the server"):
        detect()


@pytest.mark.parametrize("address", ["localhost:8080/v1", "127.0.0.1/v1", "ftp://localhost/v1", "http:///v1"])
def test_an_openai_base_url_that_is_no_address_says_how_one_is_written(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    with pytest.raises(ServerUnusable, match=r"write it with its scheme, such as http://localhost:8080/v1"):
        detect()


@pytest.mark.parametrize(
    ("reply", "key", "told"),
    [
        (Reply(401, b"{}"), "wrong", r"refuses the key \(HTTP 401\): correct OPENAI_API_KEY"),
        (Reply(401, b"{}"), "", r"wants a key \(HTTP 401\): set OPENAI_API_KEY"),
        (Reply(404, b"{}"), "", r"has no list of models \(HTTP 404\): most addresses end in /v1"),
        (Reply(500, b"{}"), "", r"fails \(HTTP 500\): look at the server's log"),
        (Reply(body=b"<html>"), "", r"doesn't list models in OpenAI's protocol: most addresses end in /v1"),
        (Reply(body=b'{"data": [{"id": "nomic-embed-text"}]}'), "", r"serves no model that can chat"),
        (None, "", r"can't be reached"),
    ],
)
def test_why_the_server_of_openai_base_url_cannot_be_used_is_told(
    monkeypatch: pytest.MonkeyPatch, reply: Reply | None, key: str, told: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with loopback_in_thread(lambda asked: reply) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        with pytest.raises(ServerUnusable, match=told):
            detect()


def test_openais_own_address_is_no_server_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://api.openai.com/v1")
    assert "no key is set" in detect()[1]


def test_a_model_named_for_openai_needs_no_key_where_openai_base_url_is_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    graph = create_moa(proposers=["openai:mine"], aggregator="openai:mine")
    assert [member.missing_key() for member in graph.plan.members.values()] == [None]
