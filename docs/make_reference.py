"""Writes ``docs/reference.md``: the public names, each to be filled from its docstring by mkdocstrings.

python docs/make_reference.py
"""

from __future__ import annotations

from pathlib import Path

import moa_graph

FILE = Path(__file__).with_name("reference.md")

HEAD = """\
# Reference

Every public name of `moa_graph`, from its own docstring. `python -m mkdocs build --strict` makes the readable page.
"""


def document() -> str:
    """The whole page."""
    names = [name for name in moa_graph.__all__ if name != "__version__"]
    homes = [f"{moa_graph.__name__}.{moa_graph._HOMES[name]}.{name}" for name in names]  # noqa: SLF001  (where each comes from)
    return HEAD + "".join(f"\n::: {home}\n" for home in homes)


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
