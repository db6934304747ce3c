"""``moa models``: what can be called now, and which of it plays which part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from moa_graph.cli.columns import columns, terminal_width
from moa_graph.cli.failing import RUN_FAILED
from moa_graph.cli.saying import say

if TYPE_CHECKING:
    from moa_graph.casts.cast import Cast
    from moa_graph.casts.listed_model import ServedModel
    from moa_graph.casts.listing import ListEndpoint

__all__ = ["models"]

Lists = Mapping["ListEndpoint", "list[ServedModel] | str"]


@click.command()
@click.argument("words", nargs=-1, metavar="[WORD]...")
@click.option("--provider", "providers", multiple=True, metavar="NAME", help="Only this provider's. May be repeated.")
@click.option("--on", "address", metavar="URL", help="The models of a server that speaks OpenAI's protocol.")
@click.option("--all", "everything", is_flag=True, help="Also embeddings, images, audio, guards and the like.")
@click.option("--cast", "as_cast", is_flag=True, help="Choose a cast from them: different makers first, then by price.")
@click.option("--save", is_flag=True, help="Save the chosen cast to your configuration: `auto` then means that cast.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of the table.")
def models(
    words: Sequence[str],
    providers: Sequence[str],
    address: str | None,
    everything: bool,
    as_cast: bool,
    save: bool,
    as_json: bool,
) -> None:
    """List the models that can be called now, from the providers' own lists; WORDs keep those whose names hold them.

    Asked are the providers whose keys are set, and the local servers where none is.
    """
    from moa_graph.casts.listing import places_listed
    from moa_graph.casts.live import cast_from_lists
    from moa_graph.interruptible import run

    if save and not as_cast:
        raise click.UsageError("--save writes a cast: add --cast.")
    places = _places(providers, address)
    lists = run(places_listed(places))
    for why in lists.values():
        if isinstance(why, str):
            say(why)
    if as_cast:
        cast = cast_from_lists(lists)
        if cast is None:
            raise click.ClickException("no cast can be chosen: no provider listed a model that can chat")
        return _show_cast(cast, save=save, as_json=as_json)
    found = [model for listed in lists.values() if not isinstance(listed, str) for model in listed]
    shown = [model for model in found if (everything or model.chats) and _matches(model, words)]
    _show(shown, as_json=as_json)
    if not found:
        raise click.exceptions.Exit(RUN_FAILED)
    return None


def _places(providers: Sequence[str], address: str | None) -> list[ListEndpoint]:
    from moa_graph.casts.listing import ListEndpoint, list_endpoint
    from moa_graph.casts.live import places_with_keys
    from moa_graph.casts.named import known_provider
    from moa_graph.detection import look_for_servers

    if address is not None:
        return [ListEndpoint("openai", address.rstrip("/"), None, own=True)]
    if providers:
        places = [list_endpoint(known_provider(name)) for name in providers]
        return [place for place in places if place is not None]
    found = places_with_keys() or [ListEndpoint("openai", server.url, None, own=True) for server in look_for_servers()]
    if not found:
        raise click.UsageError(
            "There is no model to ask: set a provider's key, such as TOGETHER_API_KEY or OPENAI_API_KEY, start Ollama, "
            "or name a server with --on URL."
        )
    return found


def _matches(model: ServedModel, words: Sequence[str]) -> bool:
    return all(word.lower() in model.reference.lower() for word in words)


def _show(served: Iterable[ServedModel], *, as_json: bool) -> None:
    ordered = sorted(served, key=lambda model: (model.reference.partition(":")[0], model.maker, model.reference))
    if as_json:
        return _json([_data(model) for model in ordered])
    header = ["model", "maker", "$ in/out per million tokens", "window", ""]
    rows = [[model.reference, model.maker, _price(model), _window(model), _remark(model)] for model in ordered]
    return click.echo("\n".join(columns(rows, header, width=terminal_width())))


def _data(model: ServedModel) -> dict[str, Any]:
    price = None if model.price is None else model.price.model_dump(exclude_defaults=True)
    ends = None if model.ends is None else model.ends.isoformat()
    told = {"model": model.reference, "maker": model.maker, "price": price, "window": model.window}
    return {**told, "chats": model.chats, "ends": ends}


def _json(data: Any) -> None:
    import json

    click.echo(json.dumps(data, indent=2, ensure_ascii=False))


def _price(model: ServedModel) -> str:
    return f"{model.price.input:g} / {model.price.output:g}" if model.price else "unknown"


def _window(model: ServedModel) -> str:
    return f"{model.window:,}" if model.window else "unknown"


def _remark(model: ServedModel) -> str:
    if model.ends is not None:
        return f"until {model.ends}"
    return "" if model.chats else "doesn't chat"


def _show_cast(cast: Cast, *, save: bool, as_json: bool) -> None:
    from moa_graph.casts.saved_cast import save as write

    if as_json:
        _json(cast.model_dump(mode="json", exclude_defaults=True))
    else:
        header = ["part", "model", "$ in/out per million tokens", "why"]
        rows = []
        for kind in ("strong", "cheap", "frontier"):
            rows += [_row(f"{kind}-{number}", player) for number, player in enumerate(getattr(cast, kind), start=1)]
        rows += [_row(kind, player) for kind in ("writer", "judge") if (player := getattr(cast, kind)) is not None]
        click.echo("\n".join(columns(rows, header, width=terminal_width())))
    if save:
        say(f"saved to {write(cast)}")


def _row(part: str, player: Any) -> list[str]:
    from moa_graph.models.prices import price_of

    price = price_of(player)
    told = f"{price.input:g} / {price.output:g}" if price else "unknown"
    return [part, player.name, told, player.why or "of the shipped cast"]
