"""``moa serve``: mixtures as model names for whatever speaks OpenAI's protocol, and a page to watch them think."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from moa_graph.cli.extras import needs_server

if TYPE_CHECKING:
    from moa_graph.server.openai.settings import Settings

__all__ = ["serve"]


def _pairs(context: click.Context, option: click.Parameter, values: Sequence[str]) -> dict[str, str]:
    named = {}
    for value in values:
        name, _, mixture = (part.strip() for part in value.partition("="))
        if not name or not mixture:
            raise click.BadParameter("write NAME=MIXTURE, such as gpt-5.4=moa/council.")
        named[name] = mixture
    return named


@click.command()
@click.argument("mixtures", nargs=-1, metavar="[MIXTURE ...]")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0: any free port.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; others need MOA_API_KEYS.")
@click.option("--simulate", is_flag=True, help="Simulated models instead of all models. [env var: MOA_SIMULATE]")
@click.option(
    "--alias", "aliases", multiple=True, callback=_pairs, metavar="NAME=MIXTURE", help="Another name for a mixture."
)
@click.option(
    "--chores",
    multiple=True,
    metavar="TEXT",
    help="Messages with this prefix, such as a front end's '### Task:', go to the aggregator alone.",
)
@click.option("--allow-host", "hosts", multiple=True, metavar="NAME", help="Another host name to accept.")
@click.option("--cors", "origins", multiple=True, metavar="ORIGIN", help="An origin whose pages may send requests.")
@click.option("--concurrency", type=click.IntRange(1), default=64, show_default=True, help="Runs at a time per key.")
@click.option(
    "--queue", type=click.IntRange(0), default=1000, show_default=True, help="Requests per key that may wait."
)
@click.option("--usd-per-day", type=click.FloatRange(0, min_open=True), help="Budget in US dollars per key and day.")
@click.option(
    "--spending",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where the day's spending is stored; default: spending.sqlite in your settings folder.",
)
@click.option("--store", metavar="FILE", help="Store calls in a .sqlite or .jsonl file, and pay for none twice.")
@click.option(
    "--max-body", type=click.IntRange(1), default=32, show_default=True, help="Largest request, in megabytes."
)
@click.option("--most-choices", type=click.IntRange(1, 128), default=1, show_default=True, help="The largest 'n'.")
@click.option(
    "--drain",
    type=click.FloatRange(0),
    default=30,
    show_default=True,
    help="Seconds that runs get to finish at shutdown.",
)
@click.option("--no-page", is_flag=True, help="Don't serve the page.")
@click.option("--log-prompts", is_flag=True, help="Log prompts.")
def serve(mixtures: tuple[str, ...], port: int, host: str, **chosen: Any) -> None:
    """Serve mixtures in OpenAI's protocol, and a page to watch them.

    MIXTURE is a preset's name or a file; without any, it is the one that `moa doctor` finds. Keys that clients must
    bring stand in MOA_API_KEYS, as KEY or NAME=KEY, between commas. Ctrl-C or SIGTERM lets runs end first.
    """
    needs_server()
    from moa_graph.server.openai.app import OpenAIApp
    from moa_graph.server.openai.serve import serve as run
    from moa_graph.store import open_store

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    for name in ("moa_graph.server", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.INFO)
    store = open_store(chosen["store"]) if chosen["store"] else None
    try:
        settings = _settings(host, chosen)
        app = OpenAIApp(_shelf(mixtures, chosen, store), settings)
        run(app, host, port, lambda url: _say(url, app))
    finally:
        if store is not None:
            store.close()


def _settings(host: str, chosen: dict[str, Any]) -> Settings:
    from moa_graph.server.openai.settings import KEYS_VARIABLE, Settings, hosts_of, is_loopback, read_keys

    keys = read_keys(os.environ.get(KEYS_VARIABLE, ""))
    if not keys and not is_loopback(host):
        raise click.UsageError(
            f"--host {host} reaches other machines, so requests must bring a key: set {KEYS_VARIABLE}, or listen on "
            "127.0.0.1."
        )
    return Settings(
        keys=keys,
        hosts=hosts_of(host, chosen["hosts"]),
        origins=chosen["origins"],
        concurrency=chosen["concurrency"],
        queue=chosen["queue"],
        usd_per_day=chosen["usd_per_day"],
        spending=chosen["spending"] or Path(click.get_app_dir("moa-graph")) / "spending.sqlite",
        most_bytes=chosen["max_body"] * 1_000_000,
        most_choices=chosen["most_choices"],
        page=not chosen["no_page"],
        log_prompts=chosen["log_prompts"],
        drain=chosen["drain"],
    )


def _shelf(mixtures: Sequence[str], chosen: dict[str, Any], store: Any) -> Any:
    from moa_graph.detection import detect
    from moa_graph.server.openai.mixtures import served_mixtures

    simulate = True if chosen["simulate"] else None
    named: Sequence[Any] = mixtures
    if not named:
        found, why = detect(say=lambda line: click.echo(line, err=True), offline=bool(simulate))
        click.echo(f"{found.name}, since {why}", err=True)
        named = [found]
    return served_mixtures(named, chosen["aliases"], chosen["chores"], simulate=simulate, store=store)


def _say(url: str, app: Any) -> None:
    """The address goes to stdout, so that a script can read it."""
    simulated = [served.id for served in app.mixtures.served.values() if served.graph.plan.simulated]
    if simulated:
        click.echo(f"on simulated models: {', '.join(simulated)}", err=True)
    if app.settings.page:
        click.echo(f"the page: {url}/", err=True)
    click.echo(f"{url}/v1")
