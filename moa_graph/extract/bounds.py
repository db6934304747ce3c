"""How far a text is read, so that no text, whoever wrote it, takes long."""

from __future__ import annotations

from moa_graph.views import cut_middle

__all__ = ["MOST_LABELS", "MOST_OBJECTS", "within_bounds"]

LONGEST_READ = 12_000
"""Characters of a text that are looked through: its beginning and its end."""

MOST_LABELS = 50
"""Labels that are looked behind, from the last."""

MOST_OBJECTS = 200
"""Places that are tried as the beginning of a JSON object, from the last."""


def within_bounds(text: str) -> str:
    """What is read of a text."""
    return cut_middle(text, LONGEST_READ)
