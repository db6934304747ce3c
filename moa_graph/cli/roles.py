"""``moa roles``: what each recorded model is good for in a mixture."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from moa_graph.cli.extras import needs_eval

__all__ = ["roles"]


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--grade", default="exact", show_default=True, metavar="GRADE", help="As for moa tune.")
@click.option("--prices", type=click.Path(exists=True, dir_okay=False), metavar="FILE", help="As for moa tune.")
@click.option("--picture", type=click.Path(dir_okay=False), metavar="PNG", help="Draw which models err together.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of the table.")
def roles(file: str, grade: str, prices: str | None, picture: str | None, *, as_json: bool) -> None:
    """What each model of recorded answers is good for: alone, beside others, as the last word.

    FILE is as for moa tune. How good a model is at writing from others' answers can't be told from its own: compare
    mixtures with moa eval for that.
    """
    needs_eval()
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from moa_graph.evaluation.pictures import heat_map
    from moa_graph.evaluation.recordings import read_recordings
    from moa_graph.evaluation.roles import roles_of

    found = roles_of(read_recordings(file, grade, prices=prices))
    names = [role.model for role in found.roles]
    if picture is not None:
        Path(picture).write_bytes(heat_map(found.errors, names, names, "correlation of errors"))
    if as_json:
        every = [asdict(role) for role in found.roles]
        click.echo(json.dumps({"prompts": found.prompts, "roles": every, "errors": found.errors.tolist()}, indent=2))
        return
    columns = ("model", "alone", "others' majority errs", "others disagree", "when it agrees", "$", "errs with")
    table = Table(*columns)
    for place, role in enumerate(found.roles):
        others = [(float(found.errors[place, other]), names[other]) for other in range(len(names)) if other != place]
        most = max(others)
        table.add_row(
            escape(role.model), f"{role.alone:.1%}", f"{role.rescues:.1%}", f"{role.decides:.1%}",
            f"{role.trusted:.1%}", f"{role.dollars:.6f}", f"{escape(most[1])} ({most[0]:.2f})",
        )  # fmt: skip
    Console().print(table)
