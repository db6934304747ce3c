"""``moa upper-bound``: what choosing among recorded answers could reach at most."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from moa_graph.cli.columns import columns, terminal_width
from moa_graph.cli.extras import needs_eval

__all__ = ["upper_bound"]


@click.command("upper-bound")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--grade", default="exact", show_default=True, metavar="GRADE", help="As for moa tune.")
@click.option("--prices", type=click.Path(exists=True, dir_okay=False), metavar="FILE", help="As for moa tune.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of the table.")
def upper_bound(file: str, grade: str, prices: str | None, *, as_json: bool) -> None:
    """What an oracle, and pass@k, reach on recorded answers: no vote, judge or router among them can do better.

    FILE is as for moa tune.
    """
    needs_eval()
    from moa_graph.evaluation.recordings import read_recordings
    from moa_graph.evaluation.upper_bound import upper_bound as bound_of

    found = bound_of(read_recordings(file, grade, prices=prices))
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2))
        return
    rows = [["best alone", f"{found.best_alone:.2%}", found.best]]
    rows += [[f"pass@{k}", f"{share:.2%}", f"any of {k} models at random"] for k, share in found.pass_at_k.items()]
    rows.append(["oracle", f"{found.oracle:.2%}", f"any of all models, on {found.prompts} prompts"])
    click.echo("\n".join(columns(rows, width=terminal_width())))
