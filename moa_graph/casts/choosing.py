"""Makes a cast out of the models that are served: different makers first, then by price."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from moa_graph.casts.cast import Cast, CastModel, different_makers_first
from moa_graph.casts.gone import last_day_of
from moa_graph.casts.listed_model import ServedModel

__all__ = ["MOST_LOCAL_MODELS", "cast_of_models", "choose_cast"]

MOST_LOCAL_MODELS = 3
"""A machine of one's own holds few models at once; each further one makes it load and unload."""

CHEAP_TO = 1.0
"""US dollars per million output tokens up to which a model is a cheap one."""

DEAR_FROM = 12.0
"""US dollars per million output tokens from which a model is one of the frontier."""

MOST = {"strong": 4, "cheap": 2, "frontier": 3}
"""Models that are looked for, by kind of part; a shipped cast may have more."""

LEAVES_WITHIN = timedelta(days=60)
"""A model that is switched off so soon isn't chosen."""

_SMALL = re.compile(
    r"(?:^|[-_/.:])(?:mini|nano|lite|flash|small|tiny|haiku|luna|instant|[1-9]b|1[0-4]b)(?:$|[-_/.:])", re.IGNORECASE
)
_UNSTABLE = re.compile(r"(?:^|[-_/.:])(?:preview|beta|alpha|exp|experimental|test)(?:$|[-_/.:\d])", re.IGNORECASE)
_DATED = re.compile(r"-(?:20\d\d-\d\d-\d\d|20\d{6}|\d{4})$")


def cast_of_models(
    models: Sequence[str],
    base_url: str | None = None,
    key_variable: str | None = None,
    *,
    name: str = "local",
    provider: str = "openai",
) -> Cast:
    """A cast of the models that one server serves, as a person or the server names them.

    The first is the strongest, writes and judges; different makers come first among the others.

    Args:
        models: Their names, at least one; more than three make a machine of one's own load and unload.
        base_url: The server's address; None is the provider's own.
        key_variable: Environment variable that holds its key; None if it needs none.
        name: What the cast is called.
        provider: Whose protocol the server speaks.
    """
    at = {"base_url": base_url, "key_variable": key_variable}
    told = {field: value for field, value in at.items() if value is not None}
    players = [CastModel.model_validate({"model": f"{provider}:{model}", **told}) for model in models]
    strong = tuple(different_makers_first(players))[:MOST_LOCAL_MODELS]
    return Cast(name=name, strong=strong, cheap=strong[::-1], writer=players[0], judge=players[0])


def choose_cast(served: Iterable[ServedModel], known: Cast | None = None, *, name: str = "chosen") -> Cast | None:
    """The cast of the models in a list; None where none of them can play.

    Models of ``known``, which somebody has chosen by hand, come first as far as they are listed. Then come different
    makers, then newer and dearer models within a tier of price. Never those that don't chat, that leave soon, or a
    preview where its maker has a stable one.

    Args:
        served: What a provider lists.
        known: A cast that was good before.
        name: What the cast is called.
    """
    players = list(_fit(list(served)))
    if not players:
        return None
    by_name = {model.reference: model for model in players}
    chosen: dict[str, list[CastModel]] = {}
    for kind in MOST:
        kept = [
            _player(by_name[model.name], "of the shipped cast, and listed")
            for model in (getattr(known, kind) if known else ())
            if model.name in by_name
        ]
        chosen[kind] = _filled(kind, kept, players)
    strong = chosen["strong"]
    single = {
        kind: _player(by_name[model.name], "of the shipped cast, and listed")
        for kind in ("writer", "judge")
        if known is not None and (model := getattr(known, kind)) is not None and model.name in by_name
    }
    single.setdefault("writer", _dearest(strong, by_name))
    return Cast(name=name, **chosen, **single, day=datetime.now(UTC).date(), source="the providers' own lists")


def _filled(kind: str, kept: list[CastModel], players: list[ServedModel]) -> list[CastModel]:
    """The models that are kept, and the best of the others until there are enough."""
    there = {model.name for model in kept}
    new = [model for model in _ranked(kind, players) if model.reference not in there]
    tier = {"strong": "middling", "cheap": "low", "frontier": "high"}[kind]
    wanted = [*kept, *(_player(model, f"{_told(model)}: {tier} price, {model.maker}") for model in new)]
    if len(kept) >= min(MOST[kind], 2):
        return kept
    return list(different_makers_first(wanted))[: MOST[kind]]


def _ranked(kind: str, players: list[ServedModel]) -> list[ServedModel]:
    """The models of a kind of part, the best first; where there are none of its tier, those of the nearest."""
    tiers = {"strong": (1, 0, 2), "cheap": (0, 1), "frontier": (2, 1, 0)}[kind]
    for tier in tiers:
        if found := [model for model in players if _tier(model) == tier]:
            sign = 1 if kind == "cheap" or (kind, tier) == ("strong", 2) else -1
            return sorted(found, key=lambda model: (-_months(model), sign * _output(model), model.reference))
    return []


def _tier(model: ServedModel) -> int:
    """0 for cheap, 1 for strong, 2 for the frontier; where the price isn't known, by what the name says."""
    if model.price is None:
        return 0 if _SMALL.search(model.name) else 1
    return 0 if model.price.output <= CHEAP_TO else 2 if model.price.output >= DEAR_FROM else 1


def _fit(served: list[ServedModel]) -> Iterator[ServedModel]:
    """Those that can play: they chat, stay, and are no preview or dated copy of one that is listed too."""
    names = {model.reference for model in served}
    today = datetime.now(UTC).date()
    staying = [model for model in served if model.chats and not _leaves(model, today)]
    stable = {model.maker for model in staying if not _UNSTABLE.search(model.name)}
    for model in staying:
        undated = _DATED.sub("", model.reference)
        if undated != model.reference and undated in names:
            continue
        if _UNSTABLE.search(model.name) and model.maker in stable:
            continue
        yield model


def _leaves(model: ServedModel, today: date) -> bool:
    last = model.ends or last_day_of(model.reference)
    return last is not None and last <= today + LEAVES_WITHIN


def _months(model: ServedModel) -> int:
    """When the model came, in steps of a quarter, so that price decides among those of one season."""
    return 0 if model.created is None else (model.created.year * 12 + model.created.month) // 3


def _output(model: ServedModel) -> float:
    return model.price.output if model.price else 0.0


def _told(model: ServedModel) -> str:
    return f"listed since {model.created:%Y-%m}" if model.created else "listed"


def _dearest(strong: list[CastModel], by_name: dict[str, ServedModel]) -> CastModel:
    """The model that writes: the dearest of the strong ones, which is mostly the best."""
    best = max(strong, key=lambda model: _output(by_name[model.name]))
    return best.model_copy(update={"why": "the dearest of the strong models"})


def _player(model: ServedModel, why: str) -> CastModel:
    told = {
        "base_url": model.base_url,
        "key_variable": model.key_variable,
        "price": model.price,
        "window": model.window,
    }
    fields = {field: value for field, value in told.items() if value is not None}
    return CastModel.model_validate({"model": model.reference, **fields, "why": why})
