"""The flags of the paper's own command, as changes of a mixture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter, ValidationError

from moa_graph.cli.choice import Choice
from moa_graph.description import Description, PositiveSeconds, Slot
from moa_graph.errors import MixtureError
from moa_graph.mixture import Mixture
from moa_graph.stage_kit.base import Stage
from moa_graph.stages.propose import Propose

__all__ = ["with_flags"]

TIME_AT_HOME = 600.0
"""Seconds for an answer of a model on a machine of one's own, which may have to load it first."""


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
    if choice.timeout is not None or choice.deadline is not None or choice.on is not None:
        stages = [_with_timeout(stage, choice) for stage in stages]
    fields = {name: getattr(mixture, name) for name in type(mixture).model_fields}
    return Mixture.from_data({**fields, "stages": stages}) if stages != list(mixture.stages) else mixture


def _with_timeout(stage: Any, choice: Choice) -> Any:
    """A stage whose models have the time that was chosen; else as much as a longer deadline or a slow machine needs."""
    if choice.timeout is not None:
        wanted = _seconds("--timeout", choice.timeout)
        stage = _with_slots(stage, lambda slot: slot.model_copy(update={"timeout": None}))
    else:
        deadline = _seconds("--deadline", choice.deadline) if choice.deadline is not None else 0.0
        wanted = max(deadline, TIME_AT_HOME if choice.on is not None else 0.0, getattr(stage, "timeout", None) or 0.0)
    return _with_field(stage, "timeout", wanted)


def _seconds(option: str, written: str) -> float:
    try:
        return TypeAdapter[float](PositiveSeconds).validate_python(written)
    except ValidationError as error:
        raise MixtureError(f"{option}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None


def _with_field(part: Any, field: str, value: Any) -> Any:
    """A stage and those of its branches with a field of this name set, where they have one."""
    if isinstance(part, Stage):
        fields = {name: _with_field(getattr(part, name), field, value) for name in type(part).model_fields}
        return part.model_copy(update=fields | ({field: value} if field in fields else {}))
    if isinstance(part, tuple):
        return tuple(_with_field(one, field, value) for one in part)
    if isinstance(part, dict):
        return {name: _with_field(one, field, value) for name, one in part.items()}
    return part


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
