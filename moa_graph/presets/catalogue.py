"""Finds presets by their names."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable

from moa_graph.errors import UnknownPreset
from moa_graph.mixture import Mixture

__all__ = ["load_preset", "preset", "preset_names", "preset_page"]

_PRESETS: dict[str, Callable[[], Mixture]] = {}


def preset(make: Callable[[], Mixture]) -> Callable[[], Mixture]:
    """Makes a mixture known under its function's name, with hyphens."""
    _PRESETS[make.__name__.replace("_", "-")] = make
    return make


def preset_names() -> list[str]:
    """The names of all presets."""
    return sorted(_PRESETS)


def load_preset(name: str) -> Mixture:
    """The mixture of a preset.

    Raises:
        UnknownPreset: There is none of this name.
    """
    return _find(name)()


def preset_page(name: str) -> str:
    """What a preset is, costs and is good for.

    Raises:
        UnknownPreset: There is none of this name.
    """
    return inspect.getdoc(_find(name)) or ""


def _find(name: str) -> Callable[[], Mixture]:
    try:
        return _PRESETS[name]
    except KeyError:
        near = difflib.get_close_matches(name, _PRESETS, n=3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise UnknownPreset(f"there is no preset {name!r}.{hint} There are {', '.join(preset_names())}.") from None
