"""Any mixture on a server of one's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from moa_graph import detection
from moa_graph.casts.own_server import address, cast_on, look_at
from moa_graph.cli.classic import without_timeouts
from moa_graph.errors import MixtureError
from moa_graph.graph import load_mixture
from tests.cli.conftest import Moa
from tests.loopback import Asked, Loopback, Reply, completion, loopback_in_thread, streamed

OLLAMA = ("qwen3:8b", "llama3.1:8b", "nomic-embed-text:latest", "whisper:large", "gemma3:4b")


def chunk(text: str) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "any", "choices": [choice]}


def ollama(asked: Asked) -> Reply:
    if asked.path == "/v1/models":
        return Reply(body=json.dumps({"data": [{"id": name} for name in OLLAMA]}).encode())
    if asked.path == "/api/show":
        told: dict[str, Any] = {
            "model_info": {},
            "parameters": "num_ctx 8192\nstop x" if asked.body["model"] == "qwen3:8b" else "",
        }
        return Reply(body=json.dumps(told).encode())
    if asked.path == "/v1/chat/completions":
        return streamed(chunk("four")) if asked.body.get("stream") else completion("four")
    return Reply(status=404)


@pytest.fixture
def server() -> Iterator[Loopback]:
    with loopback_in_thread(ollama) as running:
        yield running


def requests(server: Loopback) -> list[dict[str, Any]]:
    return [asked.body for asked in server.asked if asked.path.endswith("/completions")]


def test_any_preset_runs_there_streamed_with_room_and_free_of_charge(moa: Moa, server: Loopback) -> None:
    result = moa("ask", "--on", server.url, "--models", "gemma3:4b,qwen3:8b", "-m", "moa-lite", "Why?", input="")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "four\n"
    assert {body["model"] for body in requests(server)} == {"gemma3:4b", "qwen3:8b"}
    assert all(body["stream"] for body in requests(server))
    assert all(0 < body["max_tokens"] <= 4096 for body in requests(server))
    assert not any("authorization" in asked.headers for asked in server.asked if asked.path == "/v1/models")


def test_the_window_is_asked_of_the_server_and_embedders_and_speech_are_left_out(server: Loopback) -> None:
    found = look_at(server.url)
    assert found.windows == {"qwen3:8b": 8192, "llama3.1:8b": 4096, "gemma3:4b": 4096}
    (player, *_) = cast_on(found, ["llama3.1:8b"]).strong
    assert (player.window, player.max_tokens) == (4096, 1024)
    assert player.price is not None
    assert player.price.input == 0


def test_raw_names_are_taken_wherever_a_model_is_named(moa: Moa, server: Loopback) -> None:
    named = ("--aggregator", "qwen3:8b", "--reference-models", "gemma3:4b,llama3.1:8b", "--beside", "gemma3:4b")
    result = moa("ask", "--on", server.url, *named, "Why?", input="")
    assert result.exit_code == 0, result.stderr
    asked = [body["model"] for body in requests(server)]
    assert sorted(asked) == ["gemma3:4b", "gemma3:4b", "llama3.1:8b", "qwen3:8b"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--models", "qwen9"), "serves qwen3:8b, llama3.1:8b, gemma3:4b, and no model of that name"),
        (("--timeout", "soon"), "--timeout: 'soon' isn't a duration"),
    ],
)
def test_what_is_not_there_is_refused_before_anything_is_asked(
    moa: Moa, server: Loopback, arguments: tuple[str, ...], told: str
) -> None:
    result = moa("ask", "--on", server.url, *arguments, "Why?", input="")
    assert result.exit_code == 2
    assert told in result.stderr
    assert requests(server) == []


def test_more_than_three_models_are_a_choice(moa: Moa) -> None:
    many = {"data": [{"id": f"model-{number}"} for number in range(5)]}

    def answer(asked: Asked) -> Reply:
        return Reply(body=json.dumps(many).encode()) if asked.path == "/v1/models" else ollama(asked)

    with loopback_in_thread(answer) as server:
        result = moa("ask", "--on", server.url, "Why?", input="")
    assert "5 models are served: model-0, model-1, model-2 are asked; --on with --models chooses others" in (
        result.stderr
    )


def test_models_without_a_server_are_refused(moa: Moa) -> None:
    result = moa("ask", "--models", "qwen3:8b", "Why?", input="")
    assert result.exit_code == 2
    assert "--on ollama" in result.stderr


def test_a_server_that_batches_gets_all_calls_at_once() -> None:
    def vllm(asked: Asked) -> Reply:
        entry = {"id": "big", "owned_by": "vllm", "max_model_len": 4096}
        return Reply(body=json.dumps({"data": [entry]}).encode()) if asked.path == "/v1/models" else Reply(status=404)

    with loopback_in_thread(vllm) as server:
        found = look_at(server.url)
    assert found.at_once is None
    assert found.windows == {"big": 4096}


@pytest.mark.parametrize("mixture", [(), ("-m", "council")])
def test_a_server_that_is_found_is_asked_as_one_that_is_named(
    moa: Moa, server: Loopback, monkeypatch: pytest.MonkeyPatch, mixture: tuple[str, ...]
) -> None:
    monkeypatch.setattr(detection, "SERVERS", {"Ollama": urlsplit(server.url).port})
    result = moa("ask", *mixture, "Why?", input="")
    assert result.exit_code == 0, result.stderr
    assert {body["model"] for body in requests(server)} == {"qwen3:8b", "llama3.1:8b", "gemma3:4b"}
    assert all(body["stream"] and 0 < body["max_tokens"] <= 4096 for body in requests(server))


def test_times_that_a_preset_states_are_not_meant_for_ones_own_machine() -> None:
    document = load_mixture("document")
    assert any("timeout" in stage.model_fields_set for stage in document.stages)
    mixture = without_timeouts(document)
    assert not any("timeout" in stage.model_fields_set for stage in mixture.stages)
    assert all(slot.timeout is None for stage in mixture.stages for slot in stage.all_slots())


def test_a_server_that_is_not_there_is_told(moa: Moa) -> None:
    result = moa("ask", "--on", "127.0.0.1:1", "Why?", input="")
    assert result.exit_code == 2
    assert "its list of models can't be fetched" in result.stderr
    assert "is the server running?" in result.stderr


def test_one_call_is_in_flight_unless_the_server_says_otherwise(server: Loopback) -> None:
    assert look_at(server.url).at_once == 1

    def slots(asked: Asked) -> Reply:
        if asked.path == "/props":
            return Reply(body=b'{"total_slots": 4, "default_generation_settings": {"n_ctx": 2048}}')
        return ollama(asked)

    with loopback_in_thread(slots) as llama:
        found = look_at(llama.url)
    assert found.at_once == 4
    assert found.windows["gemma3:4b"] == 2048


@pytest.mark.parametrize(
    ("where", "url"),
    [
        ("ollama", "http://127.0.0.1:11434/v1"),
        ("LM Studio", "http://127.0.0.1:1234/v1"),
        ("localhost:8080", "http://localhost:8080/v1"),
        ("http://box:8080", "http://box:8080/v1"),
        ("https://models.example.com/api/v1/", "https://models.example.com/api/v1"),
    ],
)
def test_a_name_a_host_or_an_address_says_where(where: str, url: str) -> None:
    assert address(where) == url


def test_ollamas_own_variable_says_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "0.0.0.0:9999")
    assert address("ollama") == "http://127.0.0.1:9999/v1"


@pytest.mark.parametrize("where", ["nobody", "ftp://host/v1", ""])
def test_what_says_no_place_is_refused(where: str) -> None:
    with pytest.raises(MixtureError, match="write an address such as"):
        address(where)


def test_a_model_of_ollama_needs_no_package_of_its_own(
    moa: Moa, server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", urlsplit(server.url).netloc)
    models = ("--reference-models", "ollama:qwen3:8b", "--aggregator", "ollama:gemma3:4b")
    result = moa("ask", *models, "Why?", input="")
    assert result.exit_code == 0, result.stderr
    assert [body["model"] for body in requests(server)] == ["qwen3:8b", "gemma3:4b"]


def test_a_timeout_names_the_option(moa: Moa, served: Any) -> None:
    mixture, _ = served(one={"faults": [{"kind": "hang"}]}, writer={})
    result = moa("ask", "-m", mixture, "--timeout", "200ms", "Why?", input="")
    assert "timeout: no answer within 0.2 s: timeout (--timeout) gives a model more time" in result.stderr


@pytest.mark.parametrize("status", [400, 500])
def test_a_model_that_reads_no_images_is_asked_again_without(moa: Moa, tmp_path: Path, status: int) -> None:
    def blind(asked: Asked) -> Reply:
        if "image_url" in json.dumps(asked.body or ""):
            message = "image input is not supported - hint: you may need to provide the mmproj"
            return Reply(status=status, body=json.dumps({"error": {"message": message}}).encode())
        return ollama(asked)

    picture = tmp_path / "red.png"
    picture.write_bytes(b"\x89PNG")
    with loopback_in_thread(blind) as server:
        chosen = ("--on", server.url, "--models", "gemma3:4b", "-m", "moa-lite")
        result = moa("ask", *chosen, "--file", str(picture), "Which colour is it?", input="")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "four\n"
    assert "it wasn't shown a part of type image: its server refuses it" in result.stderr
