"""Decides who plays in a mixture: a cast where it has parts, or where what it names can't be asked any more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

from moa_graph.casts.casting import Casting, cast_mixture, has_parts, named_models
from moa_graph.casts.gone import gone, leaving
from moa_graph.casts.named import CastLike, load_cast, providers_with_keys
from moa_graph.description import ModelSettings
from moa_graph.errors import MoaError
from moa_graph.mixture import Mixture
from moa_graph.models.reference import ModelReference, key_variable_of, parse
from moa_graph.presets.catalogue import load_preset, preset_names

__all__ = ["decide", "why_anew"]


def decide(mixture: Mixture, cast: CastLike | None, *, choose: bool = True) -> Casting:
    """The mixture with a model for every part.

    One without parts keeps its models by name, unless a cast is given. A preset whose models aren't served any more, or
    whose keys are missing while others are set, is cast anew, which is told: it was asked for by its name, not by its
    models.

    Args:
        mixture: The description.
        cast: Who plays what; None goes by the environment.
        choose: Whether a preset may be cast anew by itself.
    """
    if cast is not None or has_parts(mixture):
        return _told(cast_mixture(mixture, load_cast(cast), anew=cast is not None), mixture)
    why = why_anew(mixture) if choose and providers_with_keys() else None
    if why is None:
        return _told(Casting(mixture, {}), mixture)
    anew = cast_mixture(mixture, load_cast(), anew=True)
    return replace(anew, notes=(f"{why}: its parts are played by the cast {anew.name}", *anew.notes))


def why_anew(mixture: Mixture) -> str | None:
    """Why a preset's own models can't be asked; None where they can, or it is no preset's."""
    if mixture.name not in preset_names() or load_preset(mixture.name).models != mixture.models:
        return None
    references = _references(mixture)
    if dead := gone(map(str, references)):
        return f"{len(dead)} of its {len(references)} models are no longer served"
    missing = [_missing_key(reference, settings) for reference, settings in references.items()]
    if variables := list(dict.fromkeys(filter(None, missing))):
        return f"{' and '.join(variables)} isn't set"
    return None


def _missing_key(reference: ModelReference, settings: ModelSettings) -> str | None:
    variable = key_variable_of(reference, settings)
    return variable if variable and not os.environ.get(variable) else None


def _references(mixture: Mixture) -> dict[ModelReference, ModelSettings]:
    """The models that are asked at a provider's own host, each once."""
    described = {name: mixture.models.get(name) or ModelSettings(model=name) for name in named_models(mixture)}
    found: dict[ModelReference, ModelSettings] = {}
    for settings in [*described.values(), *mixture.models.values()]:
        if isinstance(settings.model, str) and settings.base_url is None:
            try:
                found[parse(settings.model)] = settings
            except MoaError:
                continue  # building the graph says it with the field's name
    return found


def _told(casting: Casting, mixture: Mixture) -> Casting:
    """The casting with what is known of its models' end."""
    return replace(casting, notes=(*casting.notes, *_ends(casting.mixture)))


def _ends(mixture: Mixture) -> Iterator[str]:
    """What is known of the end of models that could be asked here."""
    asked = _references(mixture)
    references = [str(one) for one, settings in asked.items() if _missing_key(one, settings) is None]
    if dead := gone(references):
        yield (
            f"{', '.join(dead)} {'is' if len(dead) == 1 else 'are'} no longer served: name others with "
            "substitute={old: new} (--substitute OLD=NEW), or cast the mixture anew with --cast auto; `moa models` "
            "lists what is served"
        )
    for reference, day in leaving(references).items():
        yield f"{reference} is switched off on {day}"
