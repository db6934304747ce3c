"""The list of models that a server of OpenAI's protocol gives, or why it gives none."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from moa_graph.casts.listed_model import served_model
from moa_graph.casts.own_server import OwnServer, is_near, told_by
from moa_graph.errors import ServerSilent

__all__ = ["LONGEST_WAIT", "LocalServer", "NoList", "listed_by"]

PATIENCE = 0.3
"""Seconds in which a server on this machine must accept a connection."""

LONGEST_WAIT = 60.0
"""Seconds in which a server that accepts connections must list its models: one that is busy may answer them in turn."""

LONGEST_LIST = 1_000_000
"""Bytes of a list of models that are read."""


class NoList(Exception):
    """A server gives no list of models: which one, why, and what to do."""


@dataclass(frozen=True)
class LocalServer:
    """A server of OpenAI's protocol, mostly on this machine.

    Args:
        name: What usually listens on its port.
        url: Its base URL.
        models: The models that it serves and that can chat.
        key_variable: Environment variable that holds its key; None if it needs none.
        entries: What its list says of them.
    """

    name: str
    url: str
    models: tuple[str, ...]
    key_variable: str | None = None
    entries: tuple[Mapping[str, Any], ...] = field(default=(), compare=False, repr=False)

    @property
    def is_near(self) -> bool:
        """Whether it is a machine of one's own, rather than a proxy of providers."""
        return is_near(self.url)

    def look_at(self, models: Sequence[str]) -> OwnServer:
        """What it tells of some of its models beyond their names."""
        told = {str(entry["id"]): entry for entry in self.entries}
        return told_by(self.url, [told.get(name, {"id": name}) for name in models], self.key_variable)


def listed_by(name: str, url: str, key_variable: str | None = None, connect_within: float | None = None) -> LocalServer:
    """What ``GET /models`` of an address says.

    Args:
        name: What the server is called.
        url: Its base URL.
        key_variable: Environment variable that holds its key; None if it needs none.
        connect_within: Seconds in which it must accept a connection; default: a server on this machine does at once.

    Raises:
        ServerSilent: Something accepts connections there, and says nothing.
        NoList: Nothing answers there in OpenAI's protocol.
    """
    connection = _connection(url, connect_within or PATIENCE)
    headers = {"authorization": f"Bearer {os.environ[key_variable]}"} if key_variable else {}
    try:
        connection.connect()
        connection.sock.settimeout(LONGEST_WAIT)
        connection.request("GET", f"{urlsplit(url).path}/models", headers=headers)
        answer = connection.getresponse()
        if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:  # as llama.cpp says while it loads a model
            raise ServerSilent(f"{name}: {url} isn't ready (HTTP 503): ask again later, or try with --simulate")
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise NoList(_refused(url, answer.status, key_variable))
        listed = json.loads(answer.read(LONGEST_LIST))["data"]
        entries = tuple({**model, "id": str(model["id"])} for model in listed)
    except TimeoutError as error:
        if connection.sock is None:
            raise NoList(f"{url} can't be reached: start the server, or correct the address") from error
        raise ServerSilent(
            f"{name}: {url} accepts connections, but hasn't listed its models in {LONGEST_WAIT:.0f} s. It may be busy: "
            "ask again later, name a mixture with --mixture, or try with --simulate"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise NoList(f"{url} can't be reached ({why}): start the server, or correct the address") from error
    except (ValueError, KeyError, TypeError) as error:
        raise NoList(f"{url} doesn't list models in OpenAI's protocol: most addresses end in /v1") from error
    finally:
        connection.close()
    chatting = tuple(entry for entry in entries if (model := served_model("openai", entry)) is not None and model.chats)
    return LocalServer(name, url, tuple(entry["id"] for entry in chatting), key_variable, chatting)


def _connection(url: str, patience: float) -> http.client.HTTPConnection:
    kinds: dict[str, type[http.client.HTTPConnection]] = {
        "http": http.client.HTTPConnection,
        "https": http.client.HTTPSConnection,
    }
    try:
        address = urlsplit(url)
        if not address.hostname:
            raise ValueError("no host")
        kind = kinds[address.scheme]
        return kind(address.hostname, address.port, timeout=patience)
    except (ValueError, KeyError, http.client.InvalidURL):
        raise NoList(f"{url!r} is no address: write it with its scheme, such as http://localhost:8080/v1") from None


def _refused(url: str, status: int, key_variable: str | None) -> str:
    """What an HTTP status says of a list of models, and what to do."""
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        if key_variable:
            return f"{url} refuses the key (HTTP {status}): correct {key_variable}"
        return f"{url} wants a key (HTTP {status}): set OPENAI_API_KEY to it"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return f"{url} fails (HTTP {status}): look at the server's log"
    return f"{url} has no list of models (HTTP {status}): most addresses end in /v1"
