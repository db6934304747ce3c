"""Mixtures that a person can ask for by name, one file a family. A preset is data; its docstring is its page."""

from __future__ import annotations

from moa_graph.presets import moa
from moa_graph.presets.catalogue import preset, preset_names, preset_page

__all__ = ["moa", "preset", "preset_names", "preset_page"]
