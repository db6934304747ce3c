"""The flags of the paper's own command, as changes of a mixture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter, ValidationError

from moa_graph.cli.choice import MixtureChoice
from moa_graph.description import Description, PositiveSeconds, Slot
from moa_graph.errors import MixtureError
from moa_graph.mixture import Mixture
from moa_graph.stage_kit.base import Stage
from moa_graph.stages.propose import Propose

__all__ = ["with_flags", "without_timeouts"]


def with_flags(mixture: Mixture, choice: MixtureChoice) -> Mixture:
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
    if choice.timeout is not None or (choice.deadline is not None and choice.on is None):
        stages = [_with_timeout(stage, choice) for stage in stages]
    fields = {name: getattr(mixture, name) for name in type(mixture).model_fields}
    return Mixture.from_data({**fields, "stages": stages}) if stages != list(mixture.stages) else mixture


def _with_timeout(stage: Any, choice: MixtureChoice) -> Any:
    """A stage whose models have the time that was chosen; else as much as a longer deadline allows."""
    if choice.timeout is not None:
        wanted = _seconds("--timeout", choice.timeout)
        stage = _with_slots(stage, lambda slot: slot.model_copy(update={"timeout": None}))
    else:
        wanted = max(_seconds("--deadline", choice.deadline or ""), getattr(stage, "timeout", None) or 0.0)
    return _with_field(stage, "timeout", wanted)


def _seconds(option: str, written: str) -> float:
    try:
        return TypeAdapter[float](PositiveSeconds).validate_python(written)
    except ValidationError as error:
        raise MixtureError(f"{option}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None


def _with_field(part: Any, field: str, value: Any) -> Any:
    """A description with a field of this name set in every stage anywhere in it that has one."""

    def stated(stage: Stage) -> Stage:
        return stage.model_copy(update={field: value}) if field in type(stage).model_fields else stage

    return _changed(part, Stage, stated)


def _with_aggregator(mixture: Mixture, stages: list[Any], model: str) -> list[Any]:
    """The last stage with another model, and its fallbacks as they were."""
    last = stages[-1]
    if not last.answers:
        raise MixtureError(f"--aggregator: the last stage of {mixture.name} isn't an aggregator; leave the option out")
    return [*stages[:-1], _with_slots(last, lambda slot: slot.model_copy(update={"model": model, "name": None}))]


def _with_proposers(mixture: Mixture, stages: list[Any], choice: MixtureChoice) -> list[Any]:
    """The first propose stage, with other models or as many times as chosen, in the place of all of them."""
    proposing, last = stages[:-1], stages[-1]
    if any(stage.kind != "propose" for stage in proposing) or last.kind != "aggregate":
        raise MixtureError(
            f"--reference-models and --rounds need a mixture of propose stages and an aggregator, and "
            f"{mixture.name} has others; describe it in a file"
        )
    slots = [Slot(model=model) for model in choice.reference_models]
    rounds = len(proposing) if choice.rounds is None else choice.rounds
    if rounds and not (proposing or slots):
        raise MixtureError("--rounds: no model is left to answer; name models with --reference-models")
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


def without_timeouts(mixture: Mixture) -> Mixture:
    """The mixture without the times that it states for answers: they were meant for other machines than one's own."""

    def unstated(stage: Stage) -> Stage:
        copy = stage.model_copy()
        if "timeout" in copy.model_fields_set:
            copy = copy.model_copy(update={"timeout": type(stage).model_fields["timeout"].default})
            copy.model_fields_set.discard("timeout")
        return copy

    slots: Mixture = _with_slots(mixture, lambda slot: slot.model_copy(update={"timeout": None}))
    changed: Mixture = _changed(slots, Stage, unstated)
    return changed


def _with_slots(part: Any, change: Callable[[Slot], Slot]) -> Any:
    """A description, with every slot anywhere in it changed."""
    return _changed(part, Slot, change)


def _changed(part: Any, kind: type[Any], change: Callable[[Any], Any]) -> Any:
    """A description, with every part of a kind anywhere in it changed, those within others first."""
    if isinstance(part, Description):
        fields = {name: getattr(part, name) for name in part.model_fields_set}
        fresh = {name: new for name, value in fields.items() if (new := _changed(value, kind, change)) is not value}
        part = part.model_copy(update=fresh) if fresh else part
        return change(part) if isinstance(part, kind) else part
    if isinstance(part, tuple):
        return tuple(_changed(one, kind, change) for one in part)
    if isinstance(part, dict):
        return {name: _changed(one, kind, change) for name, one in part.items()}
    return part
