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


_ALSO_CALLED = {
    "moa": ["moa-turbo", "together-moa"],
    "moa-3x6": ["together-moa"],
    "moa-2x6": ["moa-lite"],
    "mixture-of-agents": ["together-moa", "moa-turbo"],
    "default": ["moa-turbo"],
    "llm-council": ["council"],
    "karpathy": ["council"],
    "self-consistency": ["vote"],
    "majority": ["vote"],
    "best-of-n": ["ranker"],
    "llm-blender": ["rank-then-fuse"],
    "blender": ["rank-then-fuse"],
    "multiagent-debate": ["debate"],
    "multi-agent-debate": ["debate"],
    "frugalgpt": ["cascade"],
    "automix": ["cascade"],
    "routellm": ["router"],
    "routemoa": ["router"],
    "residual-moa": ["rmoa"],
    "sparse-moa": ["smoa"],
    "recursive-self-aggregation": ["rsa"],
    "long-document": ["document"],
}
"""Other names that people type, to the presets that they mean."""


_UPPER_BOUNDS = ("upper-bound", "oracle", "best-of-n-oracle", "pass@k")
"""Names of what no mixture can be, since it takes the right answers."""


def _find(name: str) -> Callable[[], Mixture | Mapping[str, Any]]:
    found = PRESETS.get(name)
    if found is None:
        known = preset_names()
        if name.lower().replace("_", "-") in _UPPER_BOUNDS:
            raise UnknownPreset(
                f"{name!r} isn't a mixture, since it needs the right answers: `moa upper-bound FILE` gives oracle and "
                "pass@k over recorded answers"
            )
        near = _ALSO_CALLED.get(name.lower().replace("_", "-")) or difflib.get_close_matches(name, known, n=3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        lost = "".join(f" The presets of {one} couldn't be imported: {why}." for one, why in failed_plugins().items())
        raise UnknownPreset(f"there is no preset {name!r}.{hint} There are {', '.join(known)}.{lost}")
    return found
