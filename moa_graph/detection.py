"""Which mixture runs where none is named: by the keys in the environment, by a local server, else simulated."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from moa_graph.mixture import Mixture, propose_and_aggregate
from moa_graph.presets.catalogue import load_preset

__all__ = ["KEY_VARIABLES", "SERVERS", "LocalServer", "detect", "keys_found", "look_for_servers", "on_stand_ins"]

KEY_VARIABLES = ("TOGETHER_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY")
"""The keys that choose a default mixture, the first one found."""

SERVERS = {"Ollama": 11434, "vLLM": 8000, "LM Studio": 1234}
"""Servers of OpenAI's protocol, and the loopback ports that they listen on as they are installed."""

PATIENCE = 0.3
"""Seconds in which a server on this machine must answer."""

LONGEST_LIST = 1_000_000
"""Bytes of a list of models that are read."""

MOST_LOCAL_MODELS = 3
"""A machine of one's own holds few models at once; each further one makes it load and unload."""

OPENAI = {
    "gpt-5-mini": {"model": "openai:gpt-5-mini", "max_tokens": 4096},
    "gpt-4.1-mini": {"model": "openai:gpt-4.1-mini", "max_tokens": 2048},
    "gpt-4o-mini": {"model": "openai:gpt-4o-mini", "max_tokens": 2048},
    "gpt-4.1": {"model": "openai:gpt-4.1", "max_tokens": 2048},
}

OPENROUTER = {
    "llama-70b": {"model": "openrouter:meta-llama/llama-3.3-70b-instruct", "max_tokens": 1024},
    "qwen-72b": {"model": "openrouter:qwen/qwen-2.5-72b-instruct", "max_tokens": 1024},
    "mistral-small": {"model": "openrouter:mistralai/mistral-small-3.2-24b-instruct", "max_tokens": 1024},
    "deepseek": {"model": "openrouter:deepseek/deepseek-chat-v3-0324", "max_tokens": 1024},
}


@dataclass(frozen=True)
class LocalServer:
    """A server of OpenAI's protocol on this machine.

    Args:
        name: What usually listens on its port.
        url: Its base URL.
        models: The models that it serves and that can chat.
    """

    name: str
    url: str
    models: tuple[str, ...]


def detect(servers: Sequence[LocalServer] | None = None) -> tuple[Mixture, str]:
    """The mixture that runs where none is named, and why it is this one.

    Args:
        servers: Local servers to choose from where no key is found; default: those that answer now.
    """
    found = keys_found()
    if found:
        return _of_key(found[0]), f"{found[0]} is set"
    answering = look_for_servers() if servers is None else servers
    serving = [server for server in answering if server.models]
    if serving:
        return _local(serving[0]), f"no key is set, and {serving[0].name} answers at {serving[0].url}"
    return on_stand_ins(load_preset("moa-turbo")), "no key is set, and no local server answers"


def keys_found() -> list[str]:
    """The variables of :data:`KEY_VARIABLES` that hold a key."""
    return [variable for variable in KEY_VARIABLES if os.environ.get(variable)]


def look_for_servers() -> list[LocalServer]:
    """The servers that answer on this machine, all asked at once."""
    with ThreadPoolExecutor(len(SERVERS)) as threads:
        found = threads.map(_ask_for_models, SERVERS, SERVERS.values())
        return [server for server in found if server is not None]


def on_stand_ins(mixture: Mixture) -> Mixture:
    """The mixture with a simulated model under each of its names; models that are named later stay real."""
    models = {
        name: settings.model_copy(update={"model": f"sim:{name}", "base_url": None, "key_variable": None, "extra": {}})
        for name, settings in mixture.models.items()
    }
    return mixture.model_copy(update={"models": models})


def _of_key(variable: str) -> Mixture:
    if variable == "OPENAI_API_KEY":
        return _over(OPENAI, "gpt-4.1", "openai-models")
    if variable == "OPENROUTER_API_KEY":
        return _over(OPENROUTER, "deepseek", "openrouter-models")
    return load_preset("moa-turbo")


def _over(models: dict[str, dict[str, object]], writer: str, name: str) -> Mixture:
    """Every model answers once, and ``writer`` writes the answer; the first one does if it fails."""
    proposers = list(models)
    aggregator = {"model": writer, "fallbacks": proposers[:1]}
    return propose_and_aggregate(proposers, aggregator, name=name, models=models)


def _local(server: LocalServer) -> Mixture:
    """A few of the served models answer, the only one three times; the first one writes the answer."""
    used = server.models[:MOST_LOCAL_MODELS]
    names = [_name_of_node(model) for model in used]
    models = {
        name: {"model": f"openai:{model}", "base_url": server.url} for name, model in zip(names, used, strict=True)
    }
    slots: Sequence[object] = names if len(names) > 1 else [{"model": names[0], "samples": 3}]
    return propose_and_aggregate(list(slots), names[0], name=_name_of_node(server.name).lower(), models=models)


def _name_of_node(text: str) -> str:
    return text.replace(":", "-").replace("|", "-").replace(" ", "-")


def _ask_for_models(name: str, port: int) -> LocalServer | None:
    """What ``GET /v1/models`` of a port on this machine says; None if nothing answers in OpenAI's protocol."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/v1/models")
        listed = json.loads(connection.getresponse().read(LONGEST_LIST))["data"]
        models = tuple(str(model["id"]) for model in listed)
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return None
    finally:
        connection.close()
    chatting = tuple(model for model in models if "embed" not in model.lower())
    return LocalServer(name, f"http://127.0.0.1:{port}/v1", chatting)
