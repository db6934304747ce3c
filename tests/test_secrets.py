"""What is taken for a secret, wherever it may be read."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from langchain_openai import ChatOpenAI

from moa_graph import ChatMoA, create_moa
from moa_graph.description import ModelSettings
from moa_graph.errors import MixtureError
from moa_graph.mixture import Mixture
from moa_graph.secrets import could_be_a_key, redact, shown, without_credentials

KEY = "proj+ab/cd==EFGH1234567890xyz"


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


WAYS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "upper case": str.upper,
    "URL": lambda key: quote(key, safe=""),
    "URL, with slashes": quote,
    "form": quote_plus,
    "URL twice": lambda key: quote(quote(key, safe=""), safe=""),
    "base64": in_base64,
    "base64 for URLs": lambda key: base64.urlsafe_b64encode(key.encode()).decode(),
    "base64, not padded": lambda key: in_base64(key).rstrip("="),
    "base64, URL": lambda key: quote(in_base64(key), safe=""),
    "hexadecimal": lambda key: key.encode().hex(),
    "JSON": lambda key: json.dumps(key).replace("/", "\\/"),
    "HTML": lambda key: key.replace("+", "&#43;").replace("=", "&#x3D;"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_key_is_blanked_however_a_server_repeats_it(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = WAYS[way](KEY)
    for told in (redact(f"the key {written} is wrong", [KEY]), redact(f"{written}", [KEY])):
        assert written not in told
        assert "[redacted]" in told
    monkeypatch.setenv("SOME_API_KEY", KEY)
    assert written not in redact(f"x{written}x")


@pytest.mark.parametrize("user", ["", ":", "user:", "Bearer ", "a:"])
def test_a_key_is_blanked_within_a_text_in_base64(user: str) -> None:
    told = redact(f"Basic or not: {in_base64(user + KEY + '!')}.", [KEY])
    left = told.replace("[redacted]", " ").split()[-2:]
    assert all(KEY[3:-3] not in str(base64.b64decode(part.strip(".") + "===")) for part in left)
    assert "[redacted]" in told


def test_secrets_in_addresses_are_blanked() -> None:
    told = redact("couldn't reach http://me:pa55word@proxy:8080/x?api-version=3&sig=AbC%2F1&x-amz-signature=ff")
    assert "api-version=3" in told
    assert not [secret for secret in ("pa55word", "me:", "AbC", "=ff") if secret in told]
    assert without_credentials("https://u:p@h/v1?sig=x&v=1") == "https://h/v1?v=1"
    assert without_credentials("https://h/v1?v=&w=1") == "https://h/v1?v=&w=1"


def test_a_mixture_is_printed_without_secrets() -> None:
    model = ChatOpenAI(
        model="gpt-x",
        api_key="sk-of-an-object-1",
        default_headers={"X-Mine": "a-header-1"},
        default_query={"sig": "a-query-1"},
        openai_proxy="http://me:a-password-1@proxy:1",
    )
    graph = create_moa(proposers=[model], aggregator=model)
    extra = {"default_headers": {"X-Mine": "a-header-1"}}
    written = Mixture.from_data(
        {
            "models": {"a": {"model": "openai:a", "extra": extra}},
            "stages": [{"propose": {"slots": ["a"]}}, {"aggregate": {"slot": "a"}}],
        }
    )
    for printed in (repr(graph.mixture), str(graph.mixture), repr(graph.plan), repr(written), str(written)):
        assert not [secret for secret in ("-1'", "sk-of", "a-password") if secret in printed]
    assert "<ChatOpenAI gpt-x>" in repr(graph.mixture)
    assert "X-Mine" in repr(written)


def test_of_queries_and_headers_only_names_are_printed() -> None:
    extra = {
        "default_query": {"code": "a-plain-word", "team": "another-word"},
        "default_headers": {"X-Team": "a-third-word"},
        "extra_query": {"v": "a-fourth-word"},
    }
    described = {"models": {"a": {"model": "openai:a", "extra": extra}}, "stages": [{"aggregate": {"slot": "a"}}]}
    mixture = Mixture.from_data(described)
    for printed in (repr(mixture), str(mixture), repr(create_moa(mixture).plan), repr(ChatMoA(mixture))):
        assert "word" not in printed
    assert all(name in repr(mixture) for name in ("code", "team", "X-Team", "extra_query"))


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("base_url", "https://h/v1?sig=abcdefgh", "sig"),
        ("base_url", "https://h/v1?X-Amz-Signature=abcdefgh", "X-Amz-Signature"),
        ("base_url", "https://h/v1#access_token=abcdefgh", "access_token"),
        ("extra", {"openai_proxy": "http://me:abcdefgh@proxy:1"}, "openai_proxy"),
        ("extra", {"extra_body": {"a": [{"password": "abcdefgh"}]}}, "password"),
        ("extra", {"default_query": {"sig": "abcdefgh"}}, "sig"),
        ("extra", {"default_headers": {"X": "Bearer abcdefgh"}}, "X"),
        ("extra", {"anything": "sk-abcdefgh1234"}, "anything"),
    ],
)
def test_a_description_that_holds_a_secret_is_refused_without_repeating_it(field: str, value: Any, named: str) -> None:
    data = {"models": {"a": {"model": "openai:a", field: value}}, "stages": [{"aggregate": {"slot": "a"}}]}
    with pytest.raises(MixtureError, match=rf"models\.a\.{field}: {named} holds a secret") as caught:
        Mixture.from_data(data)
    assert "abcdefgh" not in str(caught.value)


def test_what_only_sounds_like_a_secret_stays() -> None:
    extra = {
        "extra_body": {
            "stop_token": "x",
            "first_token": 0.2,
            "schema": {"properties": {"password": {"type": "string"}}},
        },
        "default_headers": {"HTTP-Referer": "https://example.org", "X-Title": "mine"},
        "default_query": {"api-version": "2024-10-21"},
    }
    ModelSettings(model="openai:a", base_url="http://localhost:1/v1?api-version=1", extra=extra)
    assert shown({"max_tokens": 5, "note": "a risk-averse plan"}) == {"max_tokens": 5, "note": "a risk-averse plan"}


@pytest.mark.parametrize(
    "pasted", ["sk-abcdefgh1234", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b", "AIzaSyD-12345678", "a b"]
)
def test_a_key_in_the_place_of_its_variables_name_is_not_repeated(pasted: str) -> None:
    with pytest.raises(MixtureError, match="key_variable: name the environment variable") as caught:
        Mixture.from_data(
            {"models": {"a": {"model": "openai:a", "key_variable": pasted}}, "stages": [{"aggregate": {"slot": "a"}}]}
        )
    assert pasted not in str(caught.value)
    with pytest.raises(ValueError, match="key_variable") as raw:
        ModelSettings(model="openai:a", key_variable=pasted)
    assert pasted not in str(raw.value)


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "MY_KEY_2", "TEAM_A_TOGETHER_KEY_2026", "key", "_K"])
def test_names_of_variables_are_no_keys(name: str) -> None:
    assert not could_be_a_key(name)
