"""Which models a provider serves today."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from moa_graph.models.catalogue import Member
from moa_graph.models.clients import of_running_loop
from moa_graph.models.reference import near
from moa_graph.secrets import redact

__all__ = ["Served", "served_models"]

LISTS = {
    "together": "https://api.together.xyz/v1/models",
    "openai": "https://api.openai.com/v1/models",
    "openrouter": "https://openrouter.ai/api/v1/models",
    "anthropic": "https://api.anthropic.com/v1/models?limit=1000",
}
"""Where providers tell which models they serve to whoever has a key."""

PATIENCE = 10.0
"""Seconds in which a provider must answer."""


@dataclass(frozen=True)
class Served:
    """Whether a model is served.

    Args:
        yes: None where that isn't known.
        told: A sentence more: models of a similar name, or why it isn't known.
    """

    yes: bool | None
    told: str = ""


async def served_models(members: Iterable[Member]) -> dict[str, Served]:
    """Whether each of these models is served; every provider is asked once. Only for members that lack no key."""
    by_place: dict[tuple[str, str | None], list[Member]] = {}
    for member in members:
        if (url := _list_of(member)) is not None:
            by_place.setdefault((url, member.key_variable), []).append(member)
    places = list(by_place)
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(_listed(url, by_place[url, key][0])) for url, key in places]
    found: dict[str, Served] = {}
    for place, task in zip(places, asked, strict=True):
        for member in by_place[place]:
            found[member.name] = _judged(member, task.result())
    return found


def _list_of(member: Member) -> str | None:
    """Where the list that should hold a model is; None if that isn't known."""
    if member.written is None:
        return None
    elsewhere = os.environ.get("OPENAI_BASE_URL") if member.provider == "openai" else None
    address = member.settings.base_url or elsewhere
    return f"{address.rstrip('/')}/models" if address else LISTS.get(member.provider)


async def _listed(url: str, member: Member) -> frozenset[str] | str:
    """The identities of the models in a list, or why they aren't known."""
    client = of_running_loop().transport(url).pooled
    key = os.environ.get(member.key_variable or "", "")
    try:
        answer = await client.get(url, headers=_headers(member, key), timeout=PATIENCE)
        answer.raise_for_status()
        listed = answer.json()
        return frozenset(str(model["id"]) for model in (listed["data"] if isinstance(listed, Mapping) else listed))
    except Exception as error:  # of whatever library is below: the person reads what it says
        return redact(f"{url} couldn't be asked: {type(error).__name__}: {error}".splitlines()[0])


def _headers(member: Member, key: str) -> dict[str, str]:
    if not key:
        return {}
    if member.provider == "anthropic":
        return {"x-api-key": key, "anthropic-version": "2023-06-01"}
    return {"authorization": f"Bearer {key}"}


def _judged(member: Member, listed: frozenset[str] | str) -> Served:
    if isinstance(listed, str):
        return Served(None, listed)
    name = member.written.name if member.written else ""
    if {name, f"{name}:latest"} & listed:
        return Served(True)
    return Served(False, near(name, listed))
