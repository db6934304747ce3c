"""``moa presets``: the mixtures that have a name."""

from __future__ import annotations

from dataclasses import dataclass

import click

from moa_graph.cli.columns import terminal_width, wrapped

__all__ = ["presets"]

ANSWER_TOKENS = 500
"""Of every answer, for the price: about a page of this terminal."""

WITHOUT_KEYS = "together"
"""The cast whose prices are shown where no key is set."""


@dataclass(frozen=True)
class Facts:
    """What a preset takes.

    Args:
        calls: Model requests for an answer, where nothing fails.
        price: US dollars, as a person reads them.
        keys: What must be set.
    """

    calls: int
    price: str
    keys: str


@click.command()
@click.option("--long", is_flag=True, help="Print each preset's whole page.")
def presets(long: bool) -> None:
    """List the mixtures that have a name, with calls, price and keys for an answer."""
    from moa_graph.presets import preset_names, preset_page

    names = preset_names()
    if long:
        click.echo("\n\n".join(f"{name}\n{'=' * len(name)}\n{preset_page(name)}" for name in names))
        return
    cast = _cast()
    facts = {name: _facts(name, cast) for name in names}
    widths = (max(map(len, names)), max(len(one.price) for one in facts.values()))
    for name in names:
        one = facts[name]
        head = f"{name:{widths[0]}}  {one.calls:>3} calls  {one.price:>{widths[1]}}  {one.keys}"
        _show(head, preset_page(name).partition("\n")[0])
    note = (
        f"Prices are the most that a short question costs, with answers of {ANSWER_TOKENS} tokens and what models "
        f"think before them, on the cast {cast}. With another provider's key, or with Ollama, every preset runs on "
        "what is there."
    )
    for line in ["", *wrapped(note, width=terminal_width())]:
        click.echo(line, err=True)


def _cast() -> str:
    from moa_graph.casts.named import load_cast, providers_with_keys

    return load_cast().name if providers_with_keys() else WITHOUT_KEYS


def _facts(name: str, cast: str) -> Facts:
    from moa_graph.casts.casting import has_parts
    from moa_graph.casts.deciding import why_anew
    from moa_graph.cli.choice import MixtureChoice
    from moa_graph.cli.classic import with_flags
    from moa_graph.cli.tally import money
    from moa_graph.graph import create_moa
    from moa_graph.presets import load_preset
    from moa_graph.size import size_of

    mixture = load_preset(name)
    anew = has_parts(mixture) or why_anew(mixture) is not None
    graph = create_moa(with_flags(mixture, MixtureChoice(max_tokens=ANSWER_TOKENS)), cast=cast if anew else None)
    size = size_of(graph.plan)
    members = [member for bound in graph.plan.stages for slot in bound.slots for member in slot.members]
    keys = list(dict.fromkeys(filter(None, (member.key_variable for member in members))))
    dollars = size.most["usd"]
    return Facts(size.calls, "$?" if dollars is None else money(dollars), " + ".join(keys) or "no key")


def _show(head: str, text: str = "") -> None:
    """One line in a pipe; on a terminal the text stands under the head, both broken between words."""
    width = terminal_width()
    if width is None:
        click.echo(f"{head}  {text}".rstrip())
        return
    for line in [*wrapped(head, "", "    ", width), *(wrapped(text, "  ", "  ", width) if text else [])]:
        click.echo(line)
