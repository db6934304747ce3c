"""The flags of the paper's own command, as changes of a mixture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moa_graph.cli.choice import Choice
from moa_graph.description import Description, Slot
from moa_graph.errors import MixtureError
from moa_graph.mixture import Mixture
from moa_graph.stages.propose import Propose

__all__ = ["with_flags"]


def with_flags(mixture: Mixture, choice: Choice) -> Mixture:
    """The mixture with the models, rounds and parameters that were chosen.

    Raises:
        MixtureError: The mixture has no place for one of them.
    """
    stages = list(mixture.stages)
    if choice.aggregator is not None:
        stages = _with_aggregator(mixture, stages, choice.aggregator)
    if choice.reference_models or choice.rounds is not None:
        stages = _with_proposers(mixture, stages, choice)
    sampling = {"temperature": choice.temperature, "max_tokens": choice.max_tokens}
    sampling = {name: value for name, value in sampling.items() if value is not None}
    if sampling:
        stages = [_with_slots(stage, lambda slot: slot.model_copy(update=sampling)) for stage in stages]
    fields = {name: getattr(mixture, name) for name in type(mixture).model_fields}
    return Mixture.from_data({**fields, "stages": stages}) if stages != list(mixture.stages) else mixture


def _with_aggregator(mixture: Mixture, stages: list[Any], model: str) -> list[Any]:
    """The last stage with another model, and its fallbacks as they were."""
    last = stages[-1]
    if not last.answers:
        raise MixtureError(f"--aggregator: the last stage of {mixture.name} is no aggregator; leave the option out")
    return [*stages[:-1], _with_slots(last, lambda slot: slot.model_copy(update={"model": model, "name": None}))]


def _with_proposers(mixture: Mixture, stages: list[Any], choice: Choice) -> list[Any]:
    """The first propose stage, with other models or as many times as chosen, in the place of all of them."""
    proposing, last = stages[:-1], stages[-1]
    if any(stage.kind != "propose" for stage in proposing) or last.kind != "aggregate":
        raise MixtureError(
            f"--reference-models and --rounds are for mixtures of propose stages and an aggregator, and "
            f"{mixture.name} has others; describe it in a file"
        )
    slots = [Slot(model=model) for model in choice.reference_models]
    rounds = len(proposing) if choice.rounds is None else choice.rounds
    if rounds and not (proposing or slots):
        raise MixtureError("--rounds: there is nobody to answer; name models with --reference-models")
    if not rounds and slots:
        if choice.rounds == 0:
            raise MixtureError("--rounds 0 is the aggregator alone; leave --reference-models out")
        rounds = 1
    return [_layer(proposing, slots, index) for index in range(rounds)] + [last]


def _layer(proposing: list[Any], slots: list[Slot], index: int) -> Any:
    """The propose stage at ``index``: its own, or one like the last there is."""
    if not proposing:
        return Propose(slots=tuple(slots))
    stage = proposing[min(index, len(proposing) - 1)]
    if index >= len(proposing):
        stage = stage.model_copy(update={"name": None})
    return stage.model_copy(update={"slots": tuple(slots), "quorum": None}) if slots else stage


def _with_slots(part: Any, change: Callable[[Slot], Slot]) -> Any:
    """A description, with every slot anywhere in it changed."""
    if isinstance(part, Slot):
        return change(part)
    if isinstance(part, Description):
        fields = {name: getattr(part, name) for name in type(part).model_fields}
        return part.model_copy(update={name: _with_slots(value, change) for name, value in fields.items()})
    if isinstance(part, tuple):
        return tuple(_with_slots(one, change) for one in part)
    if isinstance(part, dict):
        return {name: _with_slots(one, change) for name, one in part.items()}
    return part
