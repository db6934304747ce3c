"""Who plays a mixture's parts, where the command may ask providers and this machine what they serve."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from moa_graph.casts.cast import Cast
from moa_graph.casts.casting import has_parts
from moa_graph.casts.choosing import cast_of_models, choose_cast
from moa_graph.casts.deciding import why_anew
from moa_graph.casts.listed_model import served_model
from moa_graph.casts.live import refresh
from moa_graph.casts.named import AUTO, CAST_VARIABLE, SIMULATED, providers_with_keys
from moa_graph.casts.own_server import OwnServer, cast_on
from moa_graph.casts.saved_cast import saved_cast
from moa_graph.casts.shipped import shipped_casts
from moa_graph.detection import Choose, LocalServer, first_few, look_for_servers, server_of_environment
from moa_graph.errors import MixtureError
from moa_graph.interruptible import run
from moa_graph.mixture import Mixture

__all__ = ["FoundCast", "find_cast"]

LOCAL = ("local", "ollama")
"""Names for whatever serves models on this machine."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class FoundCast:
    """Who plays a mixture's parts.

    Args:
        cast: As :func:`moa_graph.create_moa` is given it.
        simulated: Why the models are simulated; None where they aren't.
        own: The server that serves all of them, where that is a machine of one's own.
    """

    cast: str | Cast | None = None
    simulated: str | None = None
    own: OwnServer | None = None


def find_cast(mixture: Mixture, wanted: str | None, say: Say, choose: Choose = first_few) -> FoundCast:
    """Who plays a mixture's parts, by what was chosen, by the keys that are set, and by what this machine serves.

    At most one request goes to each provider whose key is set, and none within a day after that.

    Args:
        mixture: Whose parts are to be played; one without parts is left as it is, unless a cast is wanted.
        wanted: What the person has chosen; None where that is MOA_CAST's matter.
        say: Tells a person what is being waited for, or couldn't be had.
        choose: Chooses from the models of a server that serves many.

    Raises:
        MixtureError: The local server that is wanted isn't there.
        ServerSilent: A server is there, but doesn't list its models.
    """
    name = wanted or os.environ.get(CAST_VARIABLE) or AUTO
    if name in LOCAL:
        return _on(_local_server(say), choose)
    anew = None if wanted or has_parts(mixture) else why_anew(mixture)
    if name != AUTO or not (wanted or has_parts(mixture) or anew) or saved_cast() is not None:
        return FoundCast(wanted)
    server = server_of_environment(say)
    if server is None and providers_with_keys():
        if (problem := run(refresh())) is not None:
            say(problem)
        return FoundCast(wanted)
    if server is None:
        server = next((server for server in look_for_servers(say) if server.models), None)
    if server is not None:
        if anew:
            say(f"{anew}: its parts are played by models on {server.name}")
        return _on(server, choose)
    if anew:
        return FoundCast()  # a run says which key is missing
    return FoundCast(SIMULATED, "no key is set, and no local server answers")


def _on(server: LocalServer, choose: Choose) -> FoundCast:
    """All of a server's models that are asked; those of a machine of one's own as suits it."""
    if not server.is_near or _serves_openais(server):
        return FoundCast(_cast_of_proxy(server))
    used = choose(server.models)
    own = server.look_at(used)
    return FoundCast(cast_on(own, used), own=own)


def _local_server(say: Say) -> LocalServer:
    serving = [server for server in look_for_servers(say) if server.models]
    if not serving:
        raise MixtureError("cast: no server on this machine serves a model: start Ollama, or name another cast")
    return serving[0]


def _serves_openais(server: LocalServer) -> bool:
    """Whether it is a proxy that serves OpenAI's own models, by their names."""
    known = {model.name for model in shipped_casts()["openai"].models()}
    return any(f"openai:{name}" in known for name in server.models)


def _cast_of_proxy(server: LocalServer) -> Cast:
    """A cast of what a proxy serves."""
    listed = [
        model
        for name in server.models
        if (model := served_model("openai", {"id": name}, server.url, server.key_variable)) is not None and model.chats
    ]
    if _serves_openais(server):
        chosen = choose_cast(listed, shipped_casts()["openai"], name=server.name)
        if chosen is not None:
            return chosen
    return cast_of_models(list(server.models), server.url, server.key_variable, name=server.name)
