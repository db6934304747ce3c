"""The command, for tests of casts that run it."""

from __future__ import annotations

from tests.cli.conftest import moa

__all__ = ["moa"]
