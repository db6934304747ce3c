"""How a stage is written in a description: one kind with its fields, as in ``propose: {slots: [...]}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, create_model

from moa_graph.stages.base import Stage, stage_kinds

__all__ = ["ANY_STAGE", "AnyStage"]

ANY_STAGE = {"type": "object", "description": "A stage: one kind with its fields."}
"""Stands in a JSON Schema for a stage of any kind, until all kinds are known."""


def _read(value: Any) -> Stage:
    """``{kind: fields}`` as the stage that it describes."""
    if isinstance(value, Stage):
        return value
    if not isinstance(value, Mapping) or len(value) != 1:
        raise ValueError("a stage is written as one kind with its fields, as in `propose: {slots: [...]}`")
    ((kind, fields),) = value.items()
    kinds = stage_kinds()
    if kind not in kinds:
        raise ValueError(f"{kind!r} is no kind of stage; there are {', '.join(sorted(kinds))}")
    # Read as a field called by its kind, so that an error says stages.0.propose.quorum.
    form = create_model("Written", stage=(kinds[kind], Field(alias=kind)))
    written: Any = form.model_validate({kind: {} if fields is None else fields})
    stage: Stage = written.stage
    return stage


def _write(stage: Stage) -> dict[str, Any]:
    return {stage.kind: stage.model_dump(mode="json", exclude_defaults=True, by_alias=True)}


AnyStage = Annotated[Stage, BeforeValidator(_read), PlainSerializer(_write), WithJsonSchema(ANY_STAGE)]
"""A stage of any kind that is known."""
