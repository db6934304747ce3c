"""Mixtures that a person can ask for by name, one file a family. A preset is data; its docstring is its page."""

from __future__ import annotations

from moa_graph.presets import choosing, discussing, iterating, moa, self_moa, spending, uses
from moa_graph.presets.catalogue import load_preset, preset, preset_names, preset_page

__all__ = [
    "choosing",
    "discussing",
    "iterating",
    "load_preset",
    "moa",
    "preset",
    "preset_names",
    "preset_page",
    "self_moa",
    "spending",
    "uses",
]
