"""How a stage is written in a description: one kind with its fields, as in ``propose: {slots: [...]}``."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, PlainSerializer, WithJsonSchema, create_model

from moa_graph.registry import KINDS, failed_plugins
from moa_graph.stage_kit.base import Stage, stage_kinds

__all__ = ["ANY_STAGE", "AnyStage", "RouteName"]

RouteName = Annotated[str, Field(pattern=r"^[^:|/\x00-\x1f]+$")]
"""Name of a branch, which is part of its nodes' names."""

ANY_STAGE = {"type": "object", "description": "A stage: one kind with its fields."}
"""Stands in a JSON Schema for a stage of any kind, until all kinds are known."""


def _read(value: Any) -> Stage:
    """``{kind: fields}`` as the stage that it describes."""
    if isinstance(value, Stage):
        return value
    if not isinstance(value, Mapping) or len(value) != 1:
        beside = isinstance(value, Mapping) and next((kind for kind in value if value[kind] is None), None)
        indent = f"; indent the other fields under `{beside}:`" if beside else ""
        raise ValueError(f"a stage is written as one kind with its fields, as in `propose: {{slots: [...]}}`{indent}")
    ((kind, fields),) = value.items()
    found = KINDS.get(kind)
    if found is None:
        raise ValueError(_unknown(kind))
    written: Any = _reader_of(found, kind).model_validate({kind: {} if fields is None else fields})
    stage: Stage = written.stage
    return stage


@cache
def _reader_of(stage: type[Stage], kind: str) -> type[BaseModel]:
    """Reads a stage as a field called by its kind, so that an error says ``stages.0.propose.quorum``."""
    return create_model("Written", stage=(stage, Field(alias=kind)))


def _unknown(kind: Any) -> str:
    known = list(stage_kinds())
    near = difflib.get_close_matches(str(kind), known, n=1)
    lost = "".join(f" The stages of {name} couldn't be imported: {why}." for name, why in failed_plugins().items())
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"{kind!r} isn't a kind of stage; there are {', '.join(known)}.{hint}{lost}"


def _write(stage: Stage) -> dict[str, Any]:
    return {stage.kind: stage.model_dump(mode="json", exclude_defaults=True, by_alias=True)}


AnyStage = Annotated[Stage, BeforeValidator(_read), PlainSerializer(_write), WithJsonSchema(ANY_STAGE)]
"""A stage of any kind that is known."""
