"""Self-contained HTML pages: their content was written by models or strangers, and is escaped."""

from __future__ import annotations

from typing import Any

__all__ = ["render"]


def render(template: str, **values: Any) -> str:
    """The page of a template in ``templates/``; its scripts take values as JSON, which can't leave its element."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("moa_graph.evaluation"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return str(environment.get_template(template).render(**values))
