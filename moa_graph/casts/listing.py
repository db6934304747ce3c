"""Asks providers for their own lists of what can be called now. Nothing here is done unless it is asked for."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moa_graph.casts.listed_model import ServedModel, served_model
from moa_graph.models.clients import of_running_loop
from moa_graph.models.reference import PROVIDERS, address_of
from moa_graph.secrets import redact

__all__ = ["ListEndpoint", "Refused", "list_endpoint", "list_models", "places_listed"]

PATIENCE = 10.0
"""Seconds in which a provider must give its list."""

MOST_PAGES = 10
"""Pages of a list that are read."""

_PATHS = {
    "together": "/models?serverless=true",  # without it also what only dedicated endpoints serve, and refuse
    "anthropic": "/v1/models?limit=1000",
    "google_genai": "/v1beta/models?pageSize=1000",
}


@dataclass(frozen=True)
class ListEndpoint:
    """Where a list is.

    Args:
        provider: Whose protocol is spoken there.
        base_url: The server's address.
        key_variable: Environment variable that holds its key; None if it needs none.
        own: Whether ``base_url`` is one that a model's settings must name.
    """

    provider: str
    base_url: str
    key_variable: str | None
    own: bool = False

    @property
    def url(self) -> str:
        """The list's address."""
        return self.base_url.rstrip("/") + _PATHS.get(self.provider, "/models")


def list_endpoint(provider: str) -> ListEndpoint | None:
    """Where a provider's list is; None for one that isn't known to have one."""
    address = address_of(provider)
    return None if address is None else ListEndpoint(provider, address, PROVIDERS[provider].key_variable)


async def places_listed(
    places: Sequence[ListEndpoint], patience: float = PATIENCE
) -> dict[ListEndpoint, list[ServedModel] | str]:
    """Each place's list, or why there is none; all are asked at once."""
    for place in places:
        of_running_loop().transport(place.base_url)  # importing a client takes longer than some lists
    lists = await asyncio.gather(*(_list_or_reason(place, patience) for place in places))
    return dict(zip(places, lists, strict=True))


async def list_models(place: ListEndpoint) -> list[ServedModel]:
    """The models that a place lists.

    Raises:
        Exception: Whatever the HTTP client raises, or what is wrong with the answer.
    """
    client = of_running_loop().transport(place.base_url).pooled
    found, url = [], place.url
    for _ in range(MOST_PAGES):
        answer = await client.get(url, headers=_headers(place), follow_redirects=True)
        answer.raise_for_status()
        page = answer.json()
        entries = _entries(page.get("models") if place.provider == "google_genai" else page)
        own = (place.base_url, place.key_variable) if place.own else (None, None)
        found += [model for entry in entries if (model := served_model(place.provider, entry, *own)) is not None]
        if (following := _next(place, page)) is None:
            break
        url = following
    return list({model.reference: model for model in found}.values())


class Refused(str):
    """Why there is no list, where a run would meet the same: a wrong key or address, a server that isn't reached."""

    __slots__ = ()


def _refusal(place: ListEndpoint, status: int) -> str:
    """What a refused list means for a run, and what to do."""
    if status == 404:
        hint = "" if place.base_url.rstrip("/").endswith("/v1") else ", most of which end in /v1"
        return f"{place.url} was not found (HTTP 404): correct the address{hint}"
    if place.key_variable is None:
        return (
            f"{place.url} requires a key (HTTP {status}): name the environment variable that holds it in key_variable"
        )
    return f"{place.url} rejects the key in {place.key_variable} (HTTP {status}): set the right one"


async def _list_or_reason(place: ListEndpoint, patience: float) -> list[ServedModel] | str:
    try:
        async with asyncio.timeout(patience):
            return await list_models(place)
    except TimeoutError:
        return f"{place.url} didn't answer within {patience:g} s"
    except Exception as error:  # of whatever library is below: the person reads what it says
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (401, 403, 404):
            return Refused(_refusal(place, status))
        if status is None and {"TransportError", "OSError"} & {kind.__name__ for kind in type(error).__mro__}:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            hint = "check that the server is running and that the address is right"
            return Refused(redact(f"{place.url} couldn't be reached ({reason}): {hint}"))
        return redact(f"{place.url} couldn't be asked: {type(error).__name__}: {error}".splitlines()[0])


def _headers(place: ListEndpoint) -> dict[str, str]:
    key = os.environ.get(place.key_variable or "", "")
    if not key:
        return {}
    if place.provider == "anthropic":
        return {"x-api-key": key, "anthropic-version": "2023-06-01"}
    if place.provider == "google_genai":
        return {"x-goog-api-key": key}
    return {"authorization": f"Bearer {key}"}


def _entries(page: Any) -> list[Mapping[str, Any]]:
    """The list itself: bare, or under ``data``."""
    listed = page.get("data") if isinstance(page, Mapping) else page
    if not isinstance(listed, list):
        raise ValueError("no list of models")
    return [entry for entry in listed if isinstance(entry, Mapping)]


def _next(place: ListEndpoint, page: Any) -> str | None:
    """The next page's address; None after the last."""
    if not isinstance(page, Mapping):
        return None
    if page.get("has_more") and page.get("last_id"):
        return f"{place.url}&after_id={page['last_id']}"
    if token := page.get("nextPageToken"):
        return f"{place.url}&pageToken={token}"
    return None
