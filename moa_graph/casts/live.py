"""Chooses a cast from the providers' own lists, asked now: only where a person or a caller asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from moa_graph.casts.cast import Cast, merged
from moa_graph.casts.choosing import choose_cast
from moa_graph.casts.listed_model import ServedModel
from moa_graph.casts.listing import PATIENCE, ListEndpoint, list_endpoint, places_listed
from moa_graph.casts.named import providers_with_keys
from moa_graph.casts.saved_cast import keep, kept_cast, saved_cast
from moa_graph.casts.shipped import shipped_casts

__all__ = ["cast_from_lists", "live_cast", "places_with_keys", "refresh"]

REFRESH_PATIENCE = 2.0
"""Seconds after which a run goes on without the providers' lists."""


def places_with_keys() -> list[ListEndpoint]:
    """Where the lists of the providers are whose keys are set."""
    places = (list_endpoint(provider) for provider in providers_with_keys())
    return [place for place in places if place is not None]


async def live_cast(places: Sequence[ListEndpoint] | None = None, patience: float = PATIENCE) -> Cast | None:
    """The cast chosen from lists that are asked for now; None where none can be had.

    Args:
        places: Where the lists are; default: those of the providers whose keys are set.
        patience: Seconds in which a provider must give its list.
    """
    places = places_with_keys() if places is None else places
    return cast_from_lists(await places_listed(places, patience))


def cast_from_lists(lists: Mapping[ListEndpoint, list[ServedModel] | str]) -> Cast | None:
    """A choice from each list, makers mixed; the shipped cast stands for a provider whose list couldn't be had."""
    casts, had = [], False
    for place, listed in lists.items():
        known = shipped_casts().get(place.provider)
        if isinstance(listed, str):
            casts += [known] if known is not None and not place.own else []
        elif (chosen := choose_cast(listed, known, name=place.provider)) is not None:
            casts.append(chosen)
            had = True
    return merged(casts) if casts and had else None


async def refresh() -> str | None:
    """Asks the providers whose keys are set, unless that was done within a day or a cast is saved.

    What is chosen is kept, and :func:`moa_graph.casts.named.load_cast` takes it from then on. A list that can't be had
    is told, and stops nothing.
    """
    places = places_with_keys()
    if not places or saved_cast() is not None or kept_cast(places) is not None:
        return None
    lists = await places_listed(places, REFRESH_PATIENCE)
    keep(places, cast_from_lists(lists))
    missing = [why for why in lists.values() if isinstance(why, str)]
    return (
        f"{'; '.join(missing)}: going on with the models that were served on the day of the shipped cast"
        if missing
        else None
    )
