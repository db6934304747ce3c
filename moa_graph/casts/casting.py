"""Puts a cast's models in the places of a description's parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel

from moa_graph.casts.cast import Cast
from moa_graph.casts.parts import SETTINGS, Part, part_of
from moa_graph.description import Description, Hedge, ModelSettings, Slot
from moa_graph.mixture import Mixture

__all__ = ["Casting", "cast_mixture", "has_parts", "named_models"]


@dataclass(frozen=True)
class Casting:
    """A mixture with models in the places of its parts.

    Args:
        mixture: With a model under each part's name.
        players: Part, or name that was cast anew, to the model that plays it.
        notes: What a reader should know, such as a model that plays several parts of one kind.
        name: Of the cast; empty where the mixture names every model itself.
    """

    mixture: Mixture
    players: Mapping[str, str]
    notes: tuple[str, ...] = ()
    name: str = ""


def has_parts(mixture: Mixture) -> bool:
    """Whether the mixture leaves the choice of any model to a cast."""
    return next(_parts(mixture), None) is not None


def cast_mixture(mixture: Mixture, cast: Cast, *, anew: bool = False) -> Casting:
    """The mixture with the cast's models in the places of its parts.

    Args:
        mixture: The description.
        cast: Who plays what.
        anew: Whether a mixture without parts, which names every model, is cast as a whole: the model that writes the
            answer becomes the writer, the others strong ones. Chat model objects stay.
    """
    if anew and not has_parts(mixture):
        return _anew(mixture, cast)
    models = dict(mixture.models)
    players, parts = {}, []
    for name, part in _parts(mixture):
        player = cast.player(part)
        own = models.get(name)
        told = {} if own is None else {field: getattr(own, field) for field in own.model_fields_set - {"model"}}
        models[name] = ModelSettings.model_validate({**SETTINGS[part.kind], **player.settings(), **told})
        players[name] = player.name
        parts.append(part)
    return Casting(mixture.model_copy(update={"models": models}), players, tuple(_doubled(cast, parts)), cast.name)


def named_models(mixture: Mixture) -> list[str]:
    """Every model that the description names in its stages, in order, each once."""
    return list(dict.fromkeys(model for model in _models(mixture.stages) if isinstance(model, str)))


def _parts(mixture: Mixture) -> Iterator[tuple[str, Part]]:
    """Names that stand for a part: those of stages, and those of ``models`` whose model is one."""
    for name, settings in mixture.models.items():
        if (part := part_of(settings.model)) is not None:
            yield name, part
    for name in named_models(mixture):
        if name not in mixture.models and (part := part_of(name)) is not None:
            yield name, part


def _anew(mixture: Mixture, cast: Cast) -> Casting:
    """Every named model replaced. Its name stays, so that graph and description keep their form."""
    names = named_models(mixture)
    closing = next((model for model in _models(mixture.stages[-1]) if isinstance(model, str)), None)
    models, players, parts = dict(mixture.models), {}, []
    strong = 0
    for name in [*names, *(name for name in models if name not in names)]:
        own = models.get(name)
        if own is not None and isinstance(own.model, BaseChatModel):
            continue
        if name == closing:
            part = Part("writer", 1)
        else:
            strong += 1
            part = Part("strong", strong)
        parts.append(part)
        player = cast.player(part)
        kept = {} if own is None else {"max_tokens": own.max_tokens, "temperature": own.temperature}
        kept = {field: value for field, value in kept.items() if value is not None}
        models[name] = ModelSettings.model_validate({**SETTINGS[part.kind], **player.settings(), **kept})
        players[name] = player.name
    missing = {name: models[name] for name in models if name in players or name in mixture.models}
    return Casting(mixture.model_copy(update={"models": missing}), players, tuple(_doubled(cast, parts)), cast.name)


def _doubled(cast: Cast, parts: list[Part]) -> Iterator[str]:
    """Which models play several parts of one kind."""
    for kind in dict.fromkeys(part.kind for part in parts):
        wanted = max(part.number for part in parts if part.kind == kind)
        there = len(cast.players(kind)) if kind not in ("writer", "judge") else 1
        if wanted > there:
            who = "one model answers" if there == 1 else f"{there} models answer"
            yield f"{who} in place of {wanted} {kind} ones: several samples of one model, as in Self-MoA"


def _models(part: Any) -> Iterator[str | BaseChatModel]:
    """Every model that a part of a description names."""
    if isinstance(part, Slot):
        yield part.model
        yield from part.fallbacks
        yield from _models(part.hedge)
    elif isinstance(part, Hedge):
        if part.model is not None:
            yield part.model
    elif isinstance(part, Description):
        for name in type(part).model_fields:
            yield from _models(getattr(part, name))
    elif isinstance(part, tuple | list):
        for one in part:
            yield from _models(one)
    elif isinstance(part, dict):
        for one in part.values():
            yield from _models(one)
