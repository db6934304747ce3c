"""Finds the cast that a name, a file or the environment means. No provider is asked anything here."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from moa_graph.casts.cast import Cast, merged
from moa_graph.casts.listing import list_endpoint
from moa_graph.casts.saved_cast import kept_cast, saved_cast
from moa_graph.casts.shipped import shipped_casts
from moa_graph.errors import MixtureError
from moa_graph.models.reference import PROVIDERS, near

__all__ = [
    "AUTO",
    "CAST_VARIABLE",
    "SIMULATED",
    "CastLike",
    "automatic_cast",
    "cast_of_providers",
    "known_provider",
    "load_cast",
    "providers_with_keys",
]  # fmt: skip

AUTO = "auto"
CAST_VARIABLE = "MOA_CAST"

SIMULATED = Cast.from_data(
    {
        "name": "simulated",
        "strong": [f"sim:strong-{number}" for number in range(1, 5)],
        "cheap": ["sim:cheap-1", "sim:cheap-2"],
        "frontier": [f"sim:frontier-{number}" for number in range(1, 4)],
        "writer": "sim:writer",
        "judge": "sim:judge",
    }
)
"""Stand-ins that need no provider."""

_ALIASES = {"google": "google_genai", "gemini": "google_genai", "mistral": "mistralai", "claude": "anthropic"}

_MEANS_A_FILE = re.compile(r"[/\\]|\.(ya?ml|json)$", re.IGNORECASE)

CastLike = str | Path | Cast | Mapping[str, Any]


def load_cast(cast: CastLike | None = None) -> Cast:
    """The cast that is meant.

    Args:
        cast: A provider's name, several joined by ``+``, ``auto``, ``simulated``, a file's path, a :class:`Cast` or its
            plain data; None is what MOA_CAST says, else ``auto``.

    Raises:
        MixtureError: There is no such cast, or it can't work.
    """
    if cast is None:
        cast = os.environ.get(CAST_VARIABLE) or AUTO
    if isinstance(cast, Cast):
        return cast
    if isinstance(cast, Mapping):
        return Cast.from_data(dict(cast))
    if isinstance(cast, Path) or _MEANS_A_FILE.search(cast):
        return Cast.from_file(cast)
    if cast == SIMULATED.name:
        return SIMULATED
    if cast == AUTO:
        return automatic_cast()
    return cast_of_providers([known_provider(name) for name in cast.split("+")])


def automatic_cast() -> Cast:
    """The saved cast; else what was chosen from the providers' lists within a day; else the shipped one.

    The keys that are set say which providers are meant; where none is, it is the one whose key is asked for first.
    """
    if (saved := saved_cast()) is not None:
        return saved
    places = [place for provider in providers_with_keys() if (place := list_endpoint(provider)) is not None]
    kept = kept_cast(places) if places else None
    if kept is not None and kept.cast is not None:
        return kept.cast
    return cast_of_providers(providers_with_keys() or list(shipped_casts())[:1])


def cast_of_providers(providers: Iterable[str]) -> Cast:
    """The shipped cast of one provider, or those of several with their makers mixed."""
    return merged([shipped_casts()[provider] for provider in providers])


def providers_with_keys() -> list[str]:
    """The providers that have a cast and whose key is set."""
    return [provider for provider in shipped_casts() if os.environ.get(PROVIDERS[provider].key_variable or "")]


def known_provider(name: str) -> str:
    """The provider that a person means by ``name``.

    Raises:
        MixtureError: There is no cast of that name.
    """
    wanted = _ALIASES.get(name.strip().lower(), name.strip().lower())
    if wanted not in shipped_casts():
        known = [AUTO, *shipped_casts(), SIMULATED.name]
        raise MixtureError(
            f"cast: there is no cast {name!r}.{near(name, [*known, *_ALIASES])} Write {', '.join(known)}, "
            "a file's path (./my-cast.yaml), or several names joined by '+'"
        )
    return wanted
