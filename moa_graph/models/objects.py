"""A user's chat model objects: copied, never changed, so that each is asked once and in any event loop.

LangChain gives the objects of langchain-openai, and of what is built on it, one HTTP client for all event loops, which
breaks in the second of them. A copy goes through the running loop's own client instead, unless the user has given one;
``http_socket_options`` are about LangChain's client and end with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from langchain_core.language_models import BaseChatModel
from pydantic import SecretStr

from moa_graph.models.clients import LoopClients
from moa_graph.models.threaded import on_own_threads
from moa_graph.secrets import is_secret_in_url

__all__ = [
    "SHORTEST_SECRET",
    "asks_through_openai_sdk",
    "copied",
    "goes_through_its_loops_client",
    "retries_for_one_request",
    "secrets_among",
    "secrets_of",
]

SHORTEST_SECRET = 6
"""Characters; shorter ones would blot out parts of words."""


def goes_through_its_loops_client(model: BaseChatModel) -> bool:
    """Whether a copy of ``model`` is good for one event loop only."""
    return _sdk_client(model) is not None and getattr(model, "http_async_client", None) is None


def copied(model: BaseChatModel, clients: LoopClients) -> BaseChatModel:
    """A copy of ``model`` whose own retries are off, as far as its class lets them be.

    Args:
        model: As the user made it.
        clients: Those of the event loop in which the copy is asked.
    """
    update: dict[str, Any] = {}
    if "max_retries" in type(model).model_fields:
        update["max_retries"] = retries_for_one_request(type(model).__module__)
    client = _sdk_client(model)
    if client is not None:
        options: dict[str, Any] = {"max_retries": 0}
        if goes_through_its_loops_client(model):
            options["http_client"] = clients.transport(str(client.base_url).rstrip("/")).pooled
        once = client.with_options(**options)
        update |= {"root_async_client": once, "async_client": once.chat.completions}
    return on_own_threads(model.model_copy(update=update))


def secrets_of(model: BaseChatModel) -> tuple[str, ...]:
    """What of a model nobody may read: its keys, and what its headers hold."""
    return tuple(one for one in secrets_among(vars(model)) if len(one) >= SHORTEST_SECRET)


def secrets_among(fields: Mapping[str, Any]) -> Iterator[str]:
    """The values among a chat model's fields that nobody may read.

    Args:
        fields: By name.
    """
    for name, value in fields.items():
        if isinstance(value, SecretStr):
            yield value.get_secret_value()
        elif isinstance(value, Mapping) and name.endswith("headers"):
            yield from map(str, value.values())
        elif name == "default_query" and isinstance(value, Mapping):
            yield from (str(one) for key, one in value.items() if is_secret_in_url(str(key)))
        elif name.endswith("proxy") and isinstance(value, str) and (password := urlsplit(value).password):
            yield unquote(password)


def retries_for_one_request(of: str) -> int:
    """``max_retries`` for a single request: Google counts it in, and takes 0 for its default in older versions."""
    return 1 if "google_genai" in of else 0


def asks_through_openai_sdk(model: BaseChatModel) -> bool:
    """Whether ``model`` is of langchain-openai or built on it, and so speaks OpenAI's protocol."""
    return "root_async_client" in type(model).model_fields


def _sdk_client(model: BaseChatModel) -> Any:
    """The client of OpenAI's SDK that ``model`` asks through; None if it asks through none."""
    return getattr(model, "root_async_client", None)
