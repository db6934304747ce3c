"""The command as a process of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["COMMAND", "environment"]

ROOT = Path(__file__).parents[2]

COMMAND = [sys.executable, "-c", "from moa_graph.cli import main; main(prog_name='moa')"]


def environment(**more: str) -> dict[str, str]:
    """This process's environment, for a process that runs in another folder."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}
