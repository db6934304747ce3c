"""Commands that need an extra of the package say which, before anything else."""

from __future__ import annotations

from importlib.util import find_spec

import click

__all__ = ["needs_eval", "needs_server"]


def needs_eval() -> None:
    """Refuses to go on without the packages of the extra ``eval``."""
    _need("eval", "numpy", "scipy", "statsmodels", "pandas")


def needs_server() -> None:
    """Refuses to go on without the packages of the extra ``server``."""
    _need("server", "orjson", "prometheus_client", "starlette", "uvicorn")


def _need(extra: str, *modules: str) -> None:
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise click.ClickException(
            f'This needs {", ".join(missing)}. Install it with: pip install "moa-graph[{extra}]"'
        )
