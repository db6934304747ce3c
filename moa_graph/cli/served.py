"""Which models a provider serves today, by its own list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from moa_graph.casts.listed_model import ServedModel
from moa_graph.casts.listing import ListEndpoint, Refused, places_listed
from moa_graph.models.catalogue import Member
from moa_graph.models.reference import address_of, near

__all__ = ["Availability", "served_models"]


@dataclass(frozen=True)
class Availability:
    """Whether a model is served.

    Args:
        yes: None where that isn't known.
        told: A sentence more: models of a similar name, or why it isn't known.
        problem: Whether a run would meet the same, as with a key that is refused or a server that isn't reached.
    """

    yes: bool | None
    told: str = ""
    problem: bool = False


async def served_models(members: Iterable[Member]) -> dict[str, Availability]:
    """Whether each of these models is served; every list is asked for once. Only for members that lack no key."""
    by_place: dict[ListEndpoint, list[Member]] = {}
    for member in members:
        if (place := _place_of(member)) is not None:
            by_place.setdefault(place, []).append(member)
    lists = await places_listed(list(by_place))
    return {member.name: _judged(member, lists[place]) for place, asked in by_place.items() for member in asked}


def _place_of(member: Member) -> ListEndpoint | None:
    """Where the list that should hold a model is; None if that isn't known."""
    if member.written is None:
        return None
    address = member.settings.base_url or address_of(member.provider)
    return None if address is None else ListEndpoint(member.provider, address.rstrip("/"), member.key_variable)


def _judged(member: Member, listed: list[ServedModel] | str) -> Availability:
    if isinstance(listed, str):
        return Availability(None, str(listed), problem=isinstance(listed, Refused))
    name = member.written.name if member.written else ""
    names = [model.name for model in listed]
    if {name, f"{name}:latest"} & set(names):
        return Availability(True)
    return Availability(False, near(name, names))
