"""Finds presets by their names."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from moa_graph.errors import UnknownPreset
from moa_graph.mixture import Mixture
from moa_graph.registry import PRESETS, failed_plugins, preset

__all__ = ["load_preset", "preset", "preset_names", "preset_page"]


def preset_names() -> list[str]:
    """The names of all presets."""
    return list(PRESETS.all())


def load_preset(name: str) -> Mixture:
    """The mixture of a preset.

    Raises:
        UnknownPreset: There is none of this name.
    """
    made = _find(name)()
    return Mixture.from_data(dict(made)) if isinstance(made, Mapping) else made


def preset_page(name: str) -> str:
    """What a preset is, costs and is good for.

    Raises:
        UnknownPreset: There is none of this name.
    """
    return inspect.getdoc(_find(name)) or ""


def _find(name: str) -> Callable[[], Mixture | Mapping[str, Any]]:
    found = PRESETS.get(name)
    if found is None:
        known = preset_names()
        near = difflib.get_close_matches(name, known, n=3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        lost = "".join(f" The presets of {one} couldn't be imported: {why}." for one, why in failed_plugins().items())
        raise UnknownPreset(f"there is no preset {name!r}.{hint} There are {', '.join(known)}.{lost}")
    return found
