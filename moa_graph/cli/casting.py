"""Who plays a mixture's parts, where the command may ask providers and this machine what they serve."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from moa_graph.casts.cast import Cast
from moa_graph.casts.casting import has_parts
from moa_graph.casts.choosing import cast_of_models, choose_cast
from moa_graph.casts.deciding import why_anew
from moa_graph.casts.kept import saved_cast
from moa_graph.casts.live import refresh
from moa_graph.casts.named import AUTO, CAST_VARIABLE, SIMULATED, providers_with_keys
from moa_graph.casts.served import served_model
from moa_graph.casts.shipped import shipped_casts
from moa_graph.detection import LocalServer, look_for_servers, server_of_environment
from moa_graph.errors import MixtureError
from moa_graph.mixture import Mixture

__all__ = ["cast_of_server", "find_cast"]

LOCAL = ("local", "ollama")
"""Names for whatever serves models on this machine."""

Say = Callable[[str], None]


def find_cast(mixture: Mixture, wanted: str | None, say: Say) -> tuple[str | Cast | None, str | None]:
    """What :func:`moa_graph.create_moa` is given as the cast, and why the models are simulated where they are.

    At most one request goes to each provider whose key is set, and none within a day after that.

    Args:
        mixture: Whose parts are to be played; one without parts is left as it is, unless a cast is wanted.
        wanted: What the person has chosen; None where that is MOA_CAST's matter.
        say: Tells a person what is being waited for, or couldn't be had.

    Raises:
        MixtureError: The local server that is wanted isn't there.
        ServerSilent: A server is there, but doesn't list its models.
    """
    name = wanted or os.environ.get(CAST_VARIABLE) or AUTO
    if name in LOCAL:
        return _local_cast(say), None
    anew = None if wanted or has_parts(mixture) else why_anew(mixture)
    if name != AUTO or not (wanted or has_parts(mixture) or anew) or saved_cast() is not None:
        return wanted, None
    if (server := server_of_environment(say)) is not None:
        return _on(server, anew, say), None
    if providers_with_keys():
        if (problem := asyncio.run(refresh())) is not None:
            say(problem)
        return wanted, None
    serving = [server for server in look_for_servers(say) if server.models]
    if serving:
        return _on(serving[0], anew, say), None
    if anew:
        return None, None  # a run says which key is missing
    return SIMULATED, "no key is set, and no local server answers"


def cast_of_server(server: LocalServer) -> Cast:
    """A cast of what one server serves; a proxy that serves OpenAI's own models is known by their names."""
    openai = shipped_casts()["openai"]
    listed = [
        model
        for name in server.models
        if (model := served_model("openai", {"id": name}, server.url, server.key_variable)) is not None
    ]
    chatting = [model for model in listed if model.chats]
    if {model.reference for model in chatting} & {model.name for model in openai.models()}:
        chosen = choose_cast(chatting, openai, name=server.name)
        if chosen is not None:
            return chosen
    names = [model.name for model in chatting] or list(server.models)
    return cast_of_models(names, server.url, server.key_variable, name=server.name)


def _on(server: LocalServer, anew: str | None, say: Say) -> Cast:
    if anew:
        say(f"{anew}: its parts are played by what {server.name} serves")
    return cast_of_server(server)


def _local_cast(say: Say) -> Cast:
    serving = [server for server in look_for_servers(say) if server.models]
    if not serving:
        raise MixtureError("cast: no server on this machine serves a model: start Ollama, or name another cast")
    return cast_of_server(serving[0])
