"""Data that comes with the package as YAML."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import yaml

__all__ = ["packaged"]

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml reads ten times as fast as Python does; not every build of PyYAML has it."""


def packaged(name: str) -> Any:
    """The data in the package's file ``name``."""
    return yaml.load((files("moa_graph.casts") / name).read_text(encoding="utf-8"), LOADER)
