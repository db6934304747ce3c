"""Commands that need an extra of the package say which, before anything else."""

from __future__ import annotations

from importlib.util import find_spec

import click

__all__ = ["needs_eval"]


def needs_eval() -> None:
    """Refuses to go on without the packages of the extra ``eval``."""
    missing = [name for name in ("numpy", "scipy", "statsmodels", "pandas") if find_spec(name) is None]
    if missing:
        raise click.ClickException(f'This needs {", ".join(missing)}. Install it with: pip install "moa-graph[eval]"')
