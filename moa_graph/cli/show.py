"""``moa show``: what a mixture is, without running it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from moa_graph.cli.choice import pairs

if TYPE_CHECKING:
    from moa_graph.graph import MoaGraph

__all__ = ["show"]

FORMATS = ("yaml", "toml", "json", "text", "mermaid", "png", "schema")


@click.command()
@click.argument("mixture", required=False, envvar="MOA_MIXTURE")
@click.option(
    "-f",
    "--format",
    type=click.Choice(FORMATS),
    help="Only one thing: the description, the drawn graph, or the schema.",
)
@click.option(
    "--set", "settings", multiple=True, callback=pairs, metavar="FIELD=VALUE",
    help="Another value in the description, as in stages.0.propose.quorum=2. May be repeated.",
)  # fmt: skip
@click.option("--cast", metavar="NAME|FILE", help="Whose models play its parts; the description then names them.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to a file instead of stdout."
)
def show(
    mixture: str | None,
    format: str | None,
    settings: tuple[tuple[str, str], ...],
    cast: str | None,
    output: Path | None,
) -> None:
    """Show a mixture: its description, what it takes, and its graph.

    MIXTURE is a preset's name or a file. The schema, which is that of every description, needs none.
    """
    if format == "schema":
        return _write(_schema(), output)
    if mixture is None:
        raise click.UsageError("Which one? Name a preset (see: moa presets) or a file.")
    from moa_graph.cli.setting import with_settings
    from moa_graph.graph import create_moa, load_mixture

    described = with_settings(load_mixture(mixture), settings) if settings else mixture
    graph = create_moa(described, cast=cast)
    if cast is not None:
        graph.mixture = graph.casting.mixture
    return _write(_MAKERS[format](graph) if format else _overview(graph), output)


def _write(content: str | bytes, output: Path | None) -> None:
    if output is None:
        if isinstance(content, bytes) and sys.stdout.isatty():
            raise click.UsageError("A picture can't be shown in a terminal: name a file with --output FILE.")
        click.echo(content, nl=isinstance(content, str) and not content.endswith("\n"))
        return
    try:
        output.write_bytes(content if isinstance(content, bytes) else content.encode())
    except OSError as error:
        raise click.UsageError(f"{output} can't be written: {error.strerror}.") from error


def _overview(graph: MoaGraph) -> str:
    return "\n".join([_description(graph), *_cast(graph), _size(graph), "", _text(graph)])


def _cast(graph: MoaGraph) -> list[str]:
    """Who plays the parts."""
    players, notes = graph.casting.players, graph.casting.notes
    if not players:
        return []
    width = max(map(len, players))
    lines = [f"  {part:{width}}  {model}" for part, model in players.items()]
    return [f"Cast: {graph.casting.name}", *lines, *(f"  ({note})" for note in notes), ""]


def _description(graph: MoaGraph) -> str:
    return graph.mixture.to_text("yaml")


def _size(graph: MoaGraph) -> str:
    """What an answer takes."""
    from moa_graph.size import size_of

    size = size_of(graph.plan)
    fewer = f"; {' and '.join(size.may_end_early)} may make it fewer" if size.may_end_early else ""
    return f"Calls: {size.calls}. Critical path: {size.critical_path}. That is where nothing fails{fewer}."


def _text(graph: MoaGraph) -> str:
    from moa_graph.cli.drawing import as_text

    return as_text(graph.compile().get_graph())


def _mermaid(graph: MoaGraph) -> str:
    return graph.compile().get_graph().draw_mermaid()


def _png(graph: MoaGraph) -> bytes:
    from moa_graph.cli.picture import as_png

    return as_png(graph.compile().get_graph(), graph.mixture.name)


def _schema() -> str:
    import json

    from moa_graph.mixture import Mixture

    return json.dumps(Mixture.json_schema(), indent=2, ensure_ascii=False)


_MAKERS: Mapping[str, Callable[[MoaGraph], str | bytes]] = {
    "yaml": _description,
    "toml": lambda graph: graph.mixture.to_text("toml"),
    "json": lambda graph: graph.mixture.to_text("json"),
    "text": _text,
    "mermaid": _mermaid,
    "png": _png,
}
