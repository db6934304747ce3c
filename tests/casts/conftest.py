"""The command, for tests of casts that run it, and a configuration of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import moa

__all__ = ["configuration", "moa"]


@pytest.fixture(autouse=True)
def configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty one."""
    monkeypatch.setenv("MOA_CONFIG_DIR", str(tmp_path / "config"))
    return tmp_path / "config"
