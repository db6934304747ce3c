"""Which mixture runs where none is named: by the keys in the environment, by a local server, else simulated."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

from moa_graph.casts.casting import named_models
from moa_graph.casts.choosing import MOST_LOCAL_MODELS
from moa_graph.casts.own_server import OwnServer, cast_on, limits_on
from moa_graph.casts.parts import part_of
from moa_graph.casts.served_list import LONGEST_WAIT, LocalServer, NoList, listed_by
from moa_graph.casts.shipped import shipped_casts
from moa_graph.description import ModelSettings
from moa_graph.errors import ServerSilent, ServerUnusable
from moa_graph.mixture import Mixture, propose_and_aggregate
from moa_graph.models.reference import PROVIDERS, is_elsewhere
from moa_graph.presets.catalogue import load_preset

__all__ = [
    "KEY_VARIABLES", "SERVERS", "Choose", "LocalServer", "detect", "first_few", "keys_found", "look_for_servers",
    "on_stand_ins", "server_of_environment",
]  # fmt: skip

KEY_VARIABLES = tuple(variable for provider in shipped_casts() if (variable := PROVIDERS[provider].key_variable))
"""The keys that have real models asked: those of the providers that have a cast."""

DEFAULT = "moa-turbo"
"""The preset that runs where none is named."""

SERVERS = {"Ollama": 11434, "vLLM": 8000, "LM Studio": 1234}
"""Servers of OpenAI's protocol, and the loopback ports that they listen on as they are installed."""

SAID_AFTER = 1.0
"""Seconds of waiting after which a person is told what for."""

Choose = Callable[[Sequence[str]], Sequence[str]]
"""Chooses from the models of a server that serves many."""


def first_few(models: Sequence[str]) -> Sequence[str]:
    """The models that are asked where nobody chooses."""
    return models[:MOST_LOCAL_MODELS]


Say = Callable[[str], None]
"""Tells a person what is being waited for."""


def detect(
    servers: Sequence[LocalServer] | None = None,
    say: Say | None = None,
    *,
    offline: bool = False,
    choose: Choose = first_few,
) -> tuple[Mixture, str]:
    """The mixture that runs where none is named, and why it is this one.

    Args:
        servers: Local servers to choose from where no key is found; default: those that answer now.
        say: Tells a person what is being waited for.
        offline: Ask no server which models it serves.
        choose: Chooses from the models of a server that serves many.

    Raises:
        ServerSilent: A server is there, but doesn't list its models.
        ServerUnusable: ``OPENAI_BASE_URL`` names a server that can't be used.
    """
    found = [name for name in keys_found() if not (offline and name == "OPENAI_BASE_URL")]
    if found:
        return _of_keys(found, say, choose), f"{' and '.join(found)} {'is' if len(found) == 1 else 'are'} set"
    if servers is None:
        servers = () if offline else look_for_servers(say)
    serving = [server for server in servers if server.models]
    if serving:
        return _local(serving[0], choose), f"no key is set, and {serving[0].name} answers at {serving[0].url}"
    if servers:
        return on_stand_ins(load_preset(DEFAULT)), f"no key is set, and {servers[0].name} serves no model"
    return on_stand_ins(load_preset(DEFAULT)), "no key is set, and no local server answers"


def keys_found() -> list[str]:
    """The variables that choose a mixture: those of :data:`KEY_VARIABLES` that hold a key, and ``OPENAI_BASE_URL``.

    An address of a server of one's own stands in the place of OpenAI's key: the two belong together.
    """
    own = _own_address() is not None
    names = ("OPENAI_BASE_URL" if own and name == "OPENAI_API_KEY" else name for name in KEY_VARIABLES)
    return [name for name in names if os.environ.get(name)]


def look_for_servers(say: Say | None = None) -> list[LocalServer]:
    """The servers on this machine, all asked at once.

    Args:
        say: Tells a person what is being waited for.

    Raises:
        ServerSilent: A server accepts connections, but doesn't list its models.
    """
    found: queue.Queue[tuple[str, LocalServer | ServerSilent | None]] = queue.Queue()

    def ask(name: str, port: int) -> None:
        try:
            found.put((name, listed_by(name, f"http://127.0.0.1:{port}/v1")))
        except ServerSilent as silent:
            found.put((name, silent))
        except NoList:
            found.put((name, None))

    for name, port in SERVERS.items():
        threading.Thread(target=ask, args=(name, port), daemon=True).start()  # Ctrl-C needn't wait for them
    answers = dict(_taken(found, list(SERVERS), say))
    servers = [answer for name in SERVERS if isinstance(answer := answers[name], LocalServer)]
    silent = [answer for name in SERVERS if isinstance(answer := answers[name], ServerSilent)]
    if silent and not any(server.models for server in servers):
        raise silent[0]
    return servers


def server_of_environment(say: Say | None = None) -> LocalServer | None:
    """The server that ``OPENAI_BASE_URL`` names, where it isn't OpenAI's own; None if it names none.

    Raises:
        ServerSilent: It accepts connections, but doesn't list its models.
        ServerUnusable: It isn't reached, refuses its key, or lists no model that can chat.
    """
    url = _own_address()
    if url is None:
        return None
    key_variable = "OPENAI_API_KEY" if os.environ.get("OPENAI_API_KEY") else None
    if say is not None:
        say(f"asking {url} (OPENAI_BASE_URL) which models it serves")
    try:
        server = listed_by("OPENAI_BASE_URL", url, key_variable, connect_within=LONGEST_WAIT)
    except NoList as reason:
        raise ServerUnusable(f"OPENAI_BASE_URL: {reason}; or unset the variable, or try with --simulate") from None
    if not server.models:
        raise ServerUnusable(
            f"OPENAI_BASE_URL: {url} serves no model that can chat: load one, unset the variable, or try "
            "with --simulate"
        )
    return server


def _own_address() -> str | None:
    address = os.environ.get("OPENAI_BASE_URL", "").strip().rstrip("/")
    return address if address and is_elsewhere("openai", address) else None


def _taken(
    found: queue.Queue[tuple[str, LocalServer | ServerSilent | None]], names: list[str], say: Say | None
) -> list[tuple[str, LocalServer | ServerSilent | None]]:
    """What every server answers; what is being waited for is said once."""
    taken: list[tuple[str, LocalServer | ServerSilent | None]] = []
    patience: float | None = SAID_AFTER
    while len(taken) < len(names):
        try:
            taken.append(found.get(timeout=patience))
        except queue.Empty:
            patience = None
            waiting = [name for name in names if name not in {name for name, _ in taken}]
            if say is not None:
                say(
                    f"{' and '.join(waiting)} on this machine is busy: waiting up to {LONGEST_WAIT:.0f} s "
                    "for the list of its models"
                )
    return taken


def on_stand_ins(mixture: Mixture) -> Mixture:
    """The mixture with a simulated model under each of its names; models that are named later stay real."""
    models = {
        name: ModelSettings(model=f"sim:{name}")
        for name in dict.fromkeys([*mixture.models, *named_models(mixture)])
        if name in mixture.models or part_of(name)
    }
    return mixture.model_copy(update={"models": models})


def _of_keys(variables: Sequence[str], say: Say | None, choose: Choose) -> Mixture:
    if variables[0] == "OPENAI_BASE_URL" and (server := server_of_environment(say)) is not None:
        return _local(server, choose, name="own-server")
    return load_preset(DEFAULT)


def _local(server: LocalServer, choose: Choose, name: str | None = None) -> Mixture:
    """A few of the served models answer, the only one three times; the first one writes the answer."""
    used = choose(server.models)
    names = [_name_of_node(model) for model in used]
    own = server.look_at(used) if server.is_near else None
    models = {node: _settings(server, own, model) for node, model in zip(names, used, strict=True)}
    slots: Sequence[object] = names if len(names) > 1 else [{"model": names[0], "samples": 3}]
    name = name or _name_of_node(server.name).lower()
    mixture = propose_and_aggregate(list(slots), names[0], name=name, models=models)
    return mixture if own is None else mixture.model_copy(update={"limits": limits_on(own)})


def _settings(server: LocalServer, own: OwnServer | None, model: str) -> dict[str, Any]:
    """How a model is asked there."""
    if own is None:
        return {"model": f"openai:{model}", "base_url": server.url, "key_variable": server.key_variable}
    return dict(cast_on(own, [model]).strong[0].settings())


def _name_of_node(text: str) -> str:
    return text.replace(":", "-").replace("|", "-").replace(" ", "-")
