"""``moa simulate``: simulated models over HTTP, for whatever speaks OpenAI's protocol."""

from __future__ import annotations

import click

from moa_graph.cli.extras import needs_server
from moa_graph.cli.failing import INTERRUPTED

__all__ = ["simulate"]


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8001, show_default=True, help="0: any free port.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--profiles", type=click.Path(), metavar="FILE", help="Models by name, in YAML or JSON; default: built-in ones."
)
@click.option("--strict", is_flag=True, help="Refuse models that the file doesn't name.")
@click.option(
    "--key", envvar="MOA_SIMULATOR_KEY", show_envvar=True, help="Bearer token that requests must carry; default: any."
)
def simulate(port: int, host: str, profiles: str | None, strict: bool, key: str | None) -> None:
    """Serve simulated models over HTTP in OpenAI's protocol.

    The address goes to stdout once it can be asked. Ctrl-C ends it.
    """
    needs_server()
    from moa_graph.models.simulation import load_profiles
    from moa_graph.server.simulator import run

    loaded = load_profiles(profiles) if profiles else None
    try:
        run(port, loaded, key, host, strict=strict, ready=lambda url: click.echo(f"{url}/v1"))
    except KeyboardInterrupt:
        raise click.exceptions.Exit(INTERRUPTED) from None
