"""What presets are written over: parts, which a cast gives models to."""

from __future__ import annotations

from typing import Any

from moa_graph.mixture import Mixture

__all__ = ["CHEAP", "PANEL", "mixture_of"]

PANEL = ["strong-1", "strong-2", "strong-3"]
"""Three strong models, of different makers where there are enough."""

CHEAP = ["cheap-1", "cheap-2"]
"""Two small ones."""


def mixture_of(name: str, *stages: dict[str, Any], **fields: Any) -> Mixture:
    """A mixture of these stages."""
    return Mixture.from_data({"name": name, "stages": list(stages), **fields})
