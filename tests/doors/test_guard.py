"""Who may ask, from where, how much, and how a server ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from moa_graph.errors import MixtureError
from moa_graph.mixture import Mixture
from moa_graph.server.openai.app import OpenAIApp
from moa_graph.server.openai.mixtures import served_mixtures
from moa_graph.server.openai.serve import running_door
from moa_graph.server.openai.settings import Settings, hosts_of, is_loopback, read_keys
from moa_graph.server.openai.spending import SpendingByKey
from tests.doors.panels import served_panels

ASKED = {"model": "panel", "messages": [{"role": "user", "content": "What is 2 + 3?"}]}
KEY = "ada-secret-key"


@contextmanager
def door(**fields: Any) -> Iterator[httpx.Client]:
    with (
        running_door(OpenAIApp(served_panels(), Settings(**fields))) as url,
        httpx.Client(base_url=url, timeout=20) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def guarded() -> Iterator[httpx.Client]:
    with door(keys=read_keys(f"ada={KEY},second-secret"), most_bytes=2000) as client:
        yield client


def test_everything_is_denied_without_a_key_but_health(guarded: httpx.Client) -> None:
    assert guarded.get("/health").status_code == 200
    for method, path in [("GET", "/v1/models"), ("GET", "/metrics"), ("GET", "/nope"), ("DELETE", "/v1/models")]:
        response = guarded.request(method, path)
        assert (response.status_code, response.json()["error"]["type"]) == (401, "authentication_error")
    assert guarded.post("/v1/chat/completions", json=ASKED).status_code == 401
    assert guarded.post("/v1/chat/completions", content=b"x" * 9000).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [{"authorization": f"Bearer {KEY}"}, {"authorization": "bearer second-secret"}, {"x-api-key": KEY}],
)
def test_a_key_opens(guarded: httpx.Client, headers: dict[str, str]) -> None:
    assert guarded.get("/v1/models", headers=headers).status_code == 200


@pytest.mark.parametrize("key", ["x", KEY + "x", KEY[:-1], f"ada={KEY}"])
def test_another_key_does_not(guarded: httpx.Client, key: str) -> None:
    assert guarded.get("/v1/models", headers={"authorization": f"Bearer {key}"}).status_code == 401


def test_a_long_body_is_refused_told_or_not(guarded: httpx.Client) -> None:
    headers = {"authorization": f"Bearer {KEY}"}
    told = guarded.post("/v1/chat/completions", content=b"x" * 9000, headers=headers)
    untold = guarded.post("/v1/chat/completions", content=iter([b"x" * 5000, b"x" * 5000]), headers=headers)
    assert (told.status_code, untold.status_code) == (413, 413)


def test_every_answer_has_an_identity(guarded: httpx.Client) -> None:
    assert guarded.get("/health", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert len(guarded.get("/v1/models", headers={"x-request-id": "a b\tc"}).headers["x-request-id"]) == 32


def test_other_sites_may_neither_name_this_host_nor_ask(client: httpx.Client) -> None:
    for host in ("evil.example", "localhost.evil.example", "[::1", "a b", ""):
        assert client.get("/v1/models", headers={"host": host}).status_code == 403
    for host in ("LOCALHOST", "localhost.:9", "[::1]:8080"):
        assert client.get("/v1/models", headers={"host": host}).status_code == 200
    for origin in ("https://evil.example", "null", "http://["):
        response = client.post("/v1/chat/completions", json=ASKED, headers={"origin": origin})
        assert response.status_code == 403
        assert "access-control-allow-origin" not in response.headers
    own = str(client.base_url).rstrip("/")
    assert client.get("/v1/models", headers={"origin": own}).status_code == 200


def test_a_named_origin_may_ask() -> None:
    with door(origins=("https://app.example",)) as client:
        headers = {"origin": "https://app.example", "access-control-request-method": "POST"}
        assert client.options("/v1/chat/completions", headers=headers).status_code == 200
        answer = client.post("/v1/chat/completions", json=ASKED, headers={"origin": "https://app.example"})
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert client.get("/v1/models", headers={"origin": "https://evil.example"}).status_code == 403


def test_the_day_s_dollars_are_a_limit_that_outlives_the_server(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"keys": read_keys(f"a={KEY},b=other"), "spending": tmp_path / "spent.sqlite"}
    ada, bob = {"x-api-key": KEY}, {"x-api-key": "other"}
    with door(**settings, usd_per_day=1e-6) as client:
        assert client.post("/v1/chat/completions", json=ASKED, headers=ada).status_code == 200
        refused = client.post("/v1/chat/completions", json=ASKED, headers=ada)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "daily_limit_reached")
        assert 0 < int(refused.headers["retry-after"]) <= 86400
    with door(**settings, usd_per_day=1e-6) as client:
        assert client.post("/v1/chat/completions", json={**ASKED, "stream": True}, headers=ada).status_code == 429
        assert client.post("/v1/chat/completions", json=ASKED, headers=bob).status_code == 200


def test_a_new_day_begins_at_midnight_utc(tmp_path: Path) -> None:
    now = datetime(2026, 3, 1, 23, 59, 50, tzinfo=UTC)
    spending = SpendingByKey(tmp_path / "s.sqlite", lambda: now)
    spending.add("ada", 0.5)
    spending.add("ada", 0.25)
    assert (spending.today("ada"), spending.today("bob"), spending.seconds_left()) == (0.75, 0.0, 10)
    now = datetime(2026, 3, 2, 0, 0, 1, tzinfo=UTC)
    assert spending.today("ada") == 0.0
    spending.close()


def test_dollars_that_cannot_be_counted_cannot_be_limited() -> None:
    unpriced = Mixture.from_data({"name": "local", "stages": [{"aggregate": {"slot": "openai:nobody-knows-it"}}]})
    with pytest.raises(MixtureError, match="openai:nobody-knows-it"):
        OpenAIApp(served_mixtures([unpriced]), Settings(usd_per_day=1))


def test_metrics_stand_behind_the_key_and_count(guarded: httpx.Client) -> None:
    headers = {"x-api-key": KEY}
    assert guarded.post("/v1/chat/completions", json=ASKED, headers=headers).status_code == 200
    text = guarded.get("/metrics", headers=headers).text
    assert 'moa_runs_total{end="answered",model="moa/panel"} 1.0' in text
    assert 'moa_model_calls_total{status="live"} 3.0' in text
    assert KEY not in text


def test_which_hosts_are_this_machine() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.1.2.3", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "192.168.1.2", "::", "example.org", "")))
    assert hosts_of("0.0.0.0", ()) == ("*",)
    assert hosts_of("0.0.0.0", ("moa.example",))[-1] == "moa.example"
    assert "10.0.0.5" in hosts_of("10.0.0.5", ())


async def test_mounted_in_another_server_only_this_machine_may_ask_without_keys() -> None:
    app = OpenAIApp(served_panels(), Settings(page_path="/moa"), mounted=True).app
    for client, status in {"127.0.0.1": 200, "192.0.2.7": 403}.items():
        transport = httpx.ASGITransport(app, client=(client, 5))
        async with httpx.AsyncClient(transport=transport, base_url="http://langgraph.example") as asking:
            assert (await asking.get("/v1/models")).status_code == status
            assert (await asking.get("/moa")).status_code == 200
            assert (await asking.get("/ok")).status_code == 404  # the other server's routes aren't guarded here


@pytest.mark.parametrize("log_prompts", [False, True])
def test_the_log_holds_what_was_asked_only_where_that_is_wanted(
    caplog: pytest.LogCaptureFixture, log_prompts: bool
) -> None:
    with caplog.at_level("INFO", "moa_graph.server"), door(log_prompts=log_prompts) as client:
        assert client.post("/v1/chat/completions", json=ASKED).status_code == 200
    assert ("What is 2 + 3?" in caplog.text) is log_prompts
