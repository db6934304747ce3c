"""Writes a value that a JSON schema accepts, field by field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from moa_graph.models.simulation.faults import SimulatedFault
from moa_graph.models.simulation.judgement import Judgement
from moa_graph.models.simulation.schema.fields import WantedField
from moa_graph.models.simulation.schema.numbers import number_within
from moa_graph.models.simulation.schema.resolution import Schema, invalid, resolved, type_of
from moa_graph.models.simulation.schema.strings import string_within

__all__ = ["object_for"]

DEEPEST = 8
"""Levels after which optional parts are left out, so that schemas which hold themselves come to an end."""

TOO_DEEP = 64


def object_for(schema: Schema, judgement: Judgement, numbers: Iterable[float] = ()) -> Any:
    """A value that ``schema`` accepts.

    Args:
        schema: A JSON schema; references into it (``#/$defs/...``) are followed.
        judgement: Fills the fields whose type, bounds or words say what they want.
        numbers: Go into the other number fields, in order.

    Raises:
        SimulatedFault: 400, when the schema asks for what can't be made up, such as an unusual pattern.
    """
    try:
        given = list(numbers)
        return _ValueWriter(schema, judgement, iter(given), bool(given)).value(schema, _ValuePath())
    except SimulatedFault:
        raise
    except (AttributeError, TypeError, ValueError, KeyError, RecursionError, re.error) as error:
        raise SimulatedFault(400, f"Invalid schema: {error}.") from error  # no JSON Schema at all


@dataclass(frozen=True, slots=True)
class _ValuePath:
    """Where a value stands: its field's name, the index in its list, the reference it is about, its depth."""

    name: str = ""
    index: int = 0
    reference: int | None = None
    depth: int = 0
    path: str = "$"

    def field(self, name: str) -> _ValuePath:
        return replace(self, name=name, depth=self.depth + 1, path=f"{self.path}.{name}")

    def item(self, index: int, reference: int | None) -> _ValuePath:
        path = f"{self.path}[{index}]"
        return replace(self, index=index, reference=reference, depth=self.depth + 1, path=path)


@dataclass(slots=True)
class _ValueWriter:
    """Writes one value; ``numbers`` are used up on the way."""

    root: Schema
    judgement: Judgement
    numbers: Iterator[float]
    given: bool

    def value(self, schema: Any, place: _ValuePath) -> Any:
        if place.depth > TOO_DEEP:
            raise invalid(f"it has no end at {place.name!r}")
        schema = self._resolved(schema, place)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._option(list(schema["enum"]), place)
        match type_of(schema):
            case "object":
                return self._object(schema, place)
            case "array":
                return self._array(schema, place)
            case "null":
                return None
            case "boolean":
                verdict = self._wanted(schema, place).verdict()
                return self._share(place) < 0.5 if verdict is None else verdict
            case "integer" | "number":
                known = self._wanted(schema, place).number()
                return number_within(schema, known, self.numbers, self._share(place), place.name)
            case _:
                question = self.judgement.conversation.question
                return string_within(schema, self._wanted(schema, place).text(), question, place.index)

    def _wanted(self, schema: Schema, place: _ValuePath) -> WantedField:
        return WantedField(place.name, schema, place.reference, self.judgement, self.given)

    def _share(self, place: _ValuePath) -> float:
        conversation = self.judgement.conversation
        about = (place.path, conversation.question, *conversation.references)
        return self.judgement.draws.uniform("field", *about)

    def _resolved(self, schema: Any, place: _ValuePath) -> Schema:
        return resolved(schema, self.root, simplest=place.depth >= DEEPEST)

    def _option(self, options: list[Any], place: _ValuePath) -> Any:
        """The option that is meant: by its value, or by the number of a reference as its place."""
        known = self._wanted({"enum": options}, place).option()
        for option in options:
            if known is not None and str(option).casefold() == str(known).casefold():
                return option
        if isinstance(known, int) and 0 < known <= len(options):
            return options[known - 1]
        return options[int(self._share(place) * len(options))]

    def _object(self, schema: Schema, place: _ValuePath) -> dict[str, Any]:
        required = schema.get("required", ())
        fields = {
            name: part
            for name, part in schema.get("properties", {}).items()
            if name in required or place.depth < DEEPEST
        }
        further = schema.get("additionalProperties", True)
        fields.update({name: further for name in required if name not in fields})
        for number in range(1, schema.get("minProperties", 0) - len(fields) + 1):
            fields[f"item_{number}"] = further
        return {name: self.value(part, place.field(name)) for name, part in fields.items()}

    def _array(self, schema: Schema, place: _ValuePath) -> list[Any]:
        written = [self.value(part, place.item(i, None)) for i, part in enumerate(schema.get("prefixItems", ()))]
        items = schema.get("items", True)
        if items is False or (written and "items" not in schema):
            return written
        known = self._known_items(items, place)[: schema.get("maxItems")]
        if len(known) >= max(schema.get("minItems", 0), 1):
            return known
        return self._made_up(schema, items, place, written)

    def _known_items(self, items: Any, place: _ValuePath) -> list[Any]:
        schema = self._resolved(items, place)
        if "enum" in schema or "const" in schema:
            return []
        known = self._wanted(schema, place).items(schema, type_of(schema))
        return [self._known_item(schema, element) for element in known]

    def _known_item(self, schema: Schema, element: Any) -> Any:
        if isinstance(element, str):
            return string_within(schema, element, element, 0)
        return number_within(schema, element, iter(()), 0, "")

    def _made_up(self, schema: Schema, items: Any, place: _ValuePath, written: list[Any]) -> list[Any]:
        """One object for each reference, otherwise one item, or as many as are asked for."""
        least, most = schema.get("minItems", 0), schema.get("maxItems")
        references = len(self.judgement.conversation.references)
        is_object = type_of(self._resolved(items, place)) == "object"
        wanted = max(references if is_object else 1, least) if place.depth < DEEPEST else least
        wanted = wanted if most is None else min(wanted, most)
        tries = 16 * wanted + 16
        for index in range(len(written), tries):
            if len(written) >= wanted:
                break
            about = index if is_object and index < references else place.reference
            item = self.value(items, place.item(index, about))
            if not (schema.get("uniqueItems") and item in written):
                written.append(item)
        if len(written) < least:
            raise invalid(f"{least} different items are too many for {place.name!r}")
        return written
