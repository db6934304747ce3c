"""Models on a server of one's own: who can chat there, how much they read, and how such a server is asked."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from moa_graph.calls.limits import Limits
from moa_graph.casts.cast import Cast
from moa_graph.casts.choosing import cast_of_models
from moa_graph.casts.listed_model import served_model
from moa_graph.errors import MixtureError

__all__ = ["OwnServer", "address", "cast_on", "is_near", "limits_on", "look_at", "models_on", "told_by"]

WELL_KNOWN = {
    "ollama": "http://127.0.0.1:11434/v1",
    "vllm": "http://127.0.0.1:8000/v1",
    "lmstudio": "http://127.0.0.1:1234/v1",
    "llamacpp": "http://127.0.0.1:8080/v1",
}
"""Servers by name, at the addresses that they have as they are installed."""

PATIENCE = 60.0
"""Seconds in which a server must answer a question about itself: one that generates may answer only after that."""

LONGEST_ANSWER = 1_000_000
"""Bytes of such an answer that are read."""

MOST_TOKENS = 1024
"""Of an answer where nobody says otherwise: small machines write a few tokens a second."""

BATCHING = ("vllm", "sglang")
"""Servers, by what their lists say, that work on as many calls as come."""

OLLAMA_WINDOW = 4096
"""Tokens that Ollama keeps of a prompt unless it is told otherwise."""


@dataclass(frozen=True)
class OwnServer:
    """A server that speaks OpenAI's protocol.

    Args:
        url: Its base URL.
        windows: The models that can chat there, each with its context window in tokens where the server tells it.
        at_once: Calls that it works on side by side; one, unless it says otherwise. None is no limit.
        key_variable: Environment variable that holds its key; None if it needs none.
    """

    url: str
    windows: Mapping[str, int | None]
    at_once: int | None = 1
    key_variable: str | None = None


def address(where: str) -> str:
    """The base URL that a person means by a name such as ``ollama``, an address, or a host with a port.

    Raises:
        MixtureError: It is none of these.
    """
    name = where.strip().lower().replace(" ", "").replace(".", "").replace("-", "")
    if name == "ollama" and (host := os.environ.get("OLLAMA_HOST")):
        where = host if ":" in host.partition("//")[2] or ":" in host else f"{host}:11434"
    elif name in WELL_KNOWN:
        return WELL_KNOWN[name]
    url = where if "//" in where else f"http://{where}"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or (":" not in where and "." not in where):
        raise MixtureError(
            f"--on {where}: write an address such as http://localhost:8080/v1, or {', '.join(WELL_KNOWN)}"
        )
    host = url.replace("0.0.0.0", "127.0.0.1").rstrip("/")
    return host if parts.path.strip("/") else f"{host}/v1"


def look_at(url: str, key_variable: str | None = None) -> OwnServer:
    """What a server tells of itself.

    Args:
        url: Its base URL.
        key_variable: Environment variable that holds its key.

    Raises:
        MixtureError: It can't be reached, or doesn't list models.
    """
    try:
        listed = _asked(f"{url}/models", key_variable)
        entries = listed["data"] if isinstance(listed, dict) else listed
        server = told_by(url, [{**entry, "id": str(entry["id"])} for entry in entries], key_variable)
    except urllib.error.HTTPError as error:
        raise MixtureError(
            f"--on {url}: it lists no models (HTTP {error.code}): {_remedy(error.code, key_variable)}"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "reason", error)
        raise MixtureError(
            f"--on {url}: its list of models can't be fetched ({reason}): is the server running?"
        ) from None
    return server


def _remedy(status: int, key_variable: str | None) -> str:
    """What to do where a list of models is refused."""
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return f"correct {key_variable}" if key_variable else "set OPENAI_API_KEY to its key, and add --on-key"
    return "look at its log" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "most addresses end in /v1"


def told_by(url: str, entries: Sequence[Mapping[str, Any]], key_variable: str | None = None) -> OwnServer:
    """What a server tells beyond the list of its models, as far as it does: windows, and calls at once.

    Args:
        url: Its base URL.
        entries: Of its list; models that can't chat are left out.
        key_variable: Environment variable that holds its key.
    """
    properties = _told(f"{url.removesuffix('/v1')}/props", key_variable)
    windows: dict[str, int | None] = {}
    is_ollama = True
    for entry in entries:
        model = served_model("openai", entry)
        if model is None or not model.chats:
            continue
        window = _window(entry, properties)
        if window is None and is_ollama:
            shown = _told(f"{url.removesuffix('/v1')}/api/show", key_variable, {"model": entry["id"]})
            is_ollama, window = bool(shown), _window_at_ollama(shown)
        windows[entry["id"]] = window
    batches = any(entry.get("owned_by") in BATCHING for entry in entries)
    return OwnServer(url, windows, None if batches else max(int(properties.get("total_slots") or 1), 1), key_variable)


def models_on(server: OwnServer, wanted: Sequence[str]) -> list[str]:
    """The models that a person names, as the server calls them.

    Raises:
        MixtureError: The server has no such model, or none that can chat.
    """
    if not server.windows:
        raise MixtureError(f"--on {server.url}: it serves no chat model")
    known = list(server.windows)
    found = []
    for name in wanted:
        bare = name.partition(":")[2] if name.startswith(("openai:", "ollama:")) else name
        match = next((one for one in known if one in (bare, f"{bare}:latest")), None)
        if match is None:
            raise MixtureError(f"--models {name}: {server.url} serves {', '.join(known)}, and no model of that name")
        found.append(match)
    return found


def cast_on(server: OwnServer, models: Sequence[str]) -> Cast:
    """A cast of a server's models, asked as suits a machine of one's own.

    Streamed, so that a server whose caller has gone stops; with room in the window for the prompt; free of charge on
    this machine.

    Args:
        server: Where they are.
        models: Their names, the strongest first.
    """
    cast = cast_of_models(models, server.url, server.key_variable, name=urlsplit(server.url).netloc)
    home = urlsplit(server.url).hostname in ("localhost", "127.0.0.1", "::1")

    def at_home(player: Any) -> Any:
        window = server.windows.get(player.name.partition(":")[2])
        fields: dict[str, Any] = {"extra": {"streaming": True}, "max_tokens": MOST_TOKENS}
        if window:
            fields |= {"window": window, "max_tokens": min(MOST_TOKENS, max(window // 4, 1))}
        if home:
            fields["price"] = {"input": 0, "output": 0}
        return {**player.model_dump(exclude_unset=True), **fields}

    players = {name: [at_home(player) for player in getattr(cast, name)] for name in ("strong", "cheap", "frontier")}
    singles = {name: at_home(player) for name in ("writer", "judge") if (player := getattr(cast, name)) is not None}
    return Cast.from_data({"name": cast.name, **players, **singles})


def limits_on(server: OwnServer) -> dict[str, Limits]:
    """What a mixture says of such a server: how many calls it may get at once."""
    return {} if server.at_once is None else {"openai": Limits(concurrency=server.at_once)}


def is_near(url: str) -> bool:
    """Whether an address is on this machine or in its own network, rather than a provider's."""
    host = urlsplit(url).hostname or ""
    if "." not in host or host.endswith((".local", ".lan", ".internal", ".home.arpa")):
        return True
    try:
        return ip_address(host).is_private
    except ValueError:
        return False


def _window(entry: Any, properties: Mapping[str, Any]) -> int | None:
    """The window in an entry of a list, as vLLM and LM Studio tell it, or in llama.cpp's properties."""
    told = entry.get("max_model_len") or entry.get("loaded_context_length") or entry.get("context_length")
    told = told or (properties.get("default_generation_settings") or {}).get("n_ctx")
    return told if isinstance(told, int) and told > 0 else None


def _window_at_ollama(shown: Mapping[str, Any]) -> int | None:
    """What Ollama keeps of a prompt for a model that it has shown."""
    for line in str(shown.get("parameters") or "").splitlines():
        parameter, _, value = line.partition(" ")
        if parameter == "num_ctx" and value.strip().isdigit():
            return int(value)
    return OLLAMA_WINDOW if "model_info" in shown else None


def _told(url: str, key_variable: str | None, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """A server's answer about itself; empty where it has none."""
    try:
        answer = _asked(url, key_variable, body)
    except (OSError, ValueError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _asked(url: str, key_variable: str | None, body: Mapping[str, Any] | None = None) -> Any:
    headers = {"content-type": "application/json"}
    if key_variable and (key := os.environ.get(key_variable)):
        headers["authorization"] = f"Bearer {key}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers)
    home = urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({})) if home else urllib.request.build_opener()
    with opener.open(request, timeout=PATIENCE) as answer:
        return json.loads(answer.read(LONGEST_ANSWER))
