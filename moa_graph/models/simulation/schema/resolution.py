"""What a JSON schema says once its references, combinations and alternatives are followed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from moa_graph.models.simulation.faults import SimulatedFault

__all__ = ["Schema", "invalid", "resolved", "type_of"]

Schema = Mapping[str, Any]

MOST_STEPS = 64


def invalid(problem: str) -> SimulatedFault:
    """The error answer for a schema that can't be filled."""
    return SimulatedFault(400, f"Invalid schema: {problem}.", param="response_format")


def resolved(schema: Any, root: Schema, simplest: bool) -> Schema:
    """``schema`` as one plain schema.

    Args:
        schema: A schema within ``root``; ``true`` accepts anything.
        root: What references (``#/$defs/...``) point into.
        simplest: Whether to take the alternative that ends soonest instead of the first telling one.

    Raises:
        SimulatedFault: 400, when a reference points at nothing or in circles.
    """
    plain: Schema = schema if isinstance(schema, Mapping) else {"type": "string"}
    for _ in range(MOST_STEPS):
        if "$ref" in plain:
            parts = [_referred(str(plain["$ref"]), root)]
        elif "allOf" in plain:
            parts = [resolved(part, root, simplest) for part in plain["allOf"]]
        elif options := plain.get("anyOf") or plain.get("oneOf"):
            parts = [_preferred(options, simplest)]
        else:
            return plain
        plain = _merged([*parts, _without_combinations(plain)])
    raise invalid("references go in circles")


def _without_combinations(schema: Schema) -> Schema:
    combining = "$ref" if "$ref" in schema else "allOf" if "allOf" in schema else "anyOf or oneOf"
    return {key: part for key, part in schema.items() if key not in combining.split(" or ")}


def _referred(reference: str, root: Schema) -> Schema:
    found: Any = root
    for step in filter(None, reference.removeprefix("#").split("/")):
        name = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, Mapping) or name not in found:
            raise invalid(f"{reference!r} points at nothing")
        found = found[name]
    return found if isinstance(found, Mapping) else {}


def _preferred(options: Sequence[Any], simplest: bool) -> Schema:
    parts = [option for option in options if isinstance(option, Mapping)] or [{"type": "string"}]
    if simplest:
        return min(parts, key=lambda part: (part.get("type") != "null", "$ref" in part))
    return next((part for part in parts if part.get("type") != "null"), parts[0])


def _merged(parts: Iterable[Schema]) -> Schema:
    merged: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            if key == "properties":
                merged[key] = {**merged.get(key, {}), **value}
            elif key == "required":
                merged[key] = [*merged.get(key, ()), *value]
            else:
                merged[key] = value
    return merged


def type_of(schema: Schema) -> str:
    """The type of what a resolved schema accepts; of several, the first but for null."""
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((option for option in kind if option != "null"), "null")
    if kind:
        return str(kind)
    if any(key in schema for key in ("properties", "required", "additionalProperties")):
        return "object"
    if any(key in schema for key in ("items", "prefixItems")):
        return "array"
    return "string"
