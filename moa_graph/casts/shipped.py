"""The casts that come with the package, one a provider: what holds until a provider has been asked for its list."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from moa_graph.casts.cast import Cast
from moa_graph.casts.packaged import packaged

__all__ = ["shipped_casts"]


@cache
def shipped_casts() -> Mapping[str, Cast]:
    """Provider to its cast, in the order in which keys are looked for."""
    written = packaged("shipped.yaml")
    return {
        provider: Cast.from_data({"name": provider, **fields}, f"shipped cast {provider}")
        for provider, fields in written.items()
    }
