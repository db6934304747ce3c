"""These tests need the extra ``eval``; where it isn't installed, they aren't collected, and a line says so."""

from __future__ import annotations

import sys
from importlib.util import find_spec

collect_ignore_glob: list[str] = []
if any(find_spec(name) is None for name in ("scipy", "statsmodels", "pandas")):
    collect_ignore_glob = ["test_*.py"]
    sys.stderr.write("tests/evaluation is left out: the extra eval isn't installed\n")
