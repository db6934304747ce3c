"""The command ``moa``: a door to the package that decides nothing about mixtures.

Modules import what is heavy inside their functions, so that ``moa --help`` is there at once.
"""

from __future__ import annotations

from moa_graph.cli.commands import main

__all__ = ["main"]
