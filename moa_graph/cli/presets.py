"""``moa presets``: the mixtures that have a name."""

from __future__ import annotations

import click

__all__ = ["presets"]


@click.command()
@click.option("--long", is_flag=True, help="Each one's whole page.")
def presets(long: bool) -> None:
    """List the mixtures that have a name."""
    from moa_graph.presets import preset_names, preset_page

    names = preset_names()
    if long:
        click.echo("\n\n".join(f"{name}\n{'=' * len(name)}\n{preset_page(name)}" for name in names))
        return
    width = max(map(len, names))
    for name in names:
        click.echo(f"{name:{width}}  {preset_page(name).partition(chr(10))[0]}")
