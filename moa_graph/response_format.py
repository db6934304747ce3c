"""The format that a structured answer must have: a JSON Schema, and a pydantic class where one stands behind it.

What checks schemas is imported where one is checked: most runs have none, and it takes a while.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from langchain_core.utils.function_calling import convert_to_json_schema
from pydantic import BaseModel, ValidationError

from moa_graph.errors import InputError

__all__ = ["ResponseFormat"]


@dataclass(frozen=True)
class ResponseFormat:
    """What a structured answer must fit.

    Args:
        name: What a provider is told that it is called.
        schema: JSON Schema of the answer.
        model: Class whose validators hold too; None where there is only the schema.
        strict: Whether the provider is asked to hold the schema exactly.
    """

    name: str
    schema: Mapping[str, Any]
    model: type[BaseModel] | None = None
    strict: bool = False

    @classmethod
    def of(cls, wanted: Any, *, strict: bool = False) -> Self:
        """The format that a pydantic class, a ``TypedDict``, a JSON Schema or OpenAI's ``response_format`` asks for.

        Raises:
            InputError: It is none of these.
        """
        if strict:
            return replace(cls.of(convert_to_json_schema(wanted, strict=True)), model=_class_of(wanted), strict=True)
        if isinstance(wanted, type) and issubclass(wanted, BaseModel):
            return cls(wanted.__name__, wanted.model_json_schema(), wanted)
        if isinstance(wanted, Mapping) and wanted.get("type") in ("json_object", "json_schema"):
            described = wanted.get("json_schema") or {}
            return cls._checked(described.get("name", "answer"), described.get("schema") or {"type": "object"})
        if isinstance(wanted, Mapping) and wanted.get("type") == "object":
            return cls._checked(wanted.get("title", "answer"), wanted)
        try:
            schema = convert_to_json_schema(wanted)
        except (TypeError, ValueError) as error:
            raise InputError(f"response_format: {wanted!r} is not a format for an answer: {error}") from None
        return cls._checked(schema.get("title", "answer"), schema)

    @classmethod
    def _checked(cls, name: str, schema: Mapping[str, Any]) -> Self:
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import SchemaError
        from referencing import Registry
        from referencing.exceptions import Unresolvable
        from referencing.jsonschema import DRAFT202012

        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            raise InputError(f"response_format: {name}: not a valid JSON Schema: {error.message}") from None
        within = Registry[Any]().with_resource("", DRAFT202012.create_resource(schema)).resolver()
        for reference in _references(schema):
            try:
                within.lookup(reference)
            except Unresolvable:
                raise InputError(
                    f"response_format: {name}: {reference} isn't in the schema, and nothing is fetched: put it in $defs"
                ) from None
        return cls(name, schema)

    def check(self, content: Any) -> tuple[Any, str | None]:
        """``content`` as plain JSON that fits, or what is wrong with it."""
        if self.model is None:
            return self._check_by_schema(content)
        try:
            return self.model.model_validate(content).model_dump(mode="json"), None
        except ValidationError as error:
            problems = [f"{_where(one['loc'])}: {one['msg']}" for one in error.errors()]
            return None, "; ".join(problems)

    def _check_by_schema(self, content: Any) -> tuple[Any, str | None]:
        from jsonschema import Draft202012Validator
        from referencing import Registry

        validator = Draft202012Validator(self.schema, registry=Registry())
        problems = [f"{_where(error.absolute_path)}: {error.message}" for error in validator.iter_errors(content)]
        return (None, "; ".join(problems)) if problems else (content, None)


def _class_of(wanted: Any) -> type[BaseModel] | None:
    return wanted if isinstance(wanted, type) and issubclass(wanted, BaseModel) else None


def _references(schema: Any) -> Iterator[str]:
    """All that a schema points to."""
    if isinstance(schema, Mapping):
        if isinstance(reference := schema.get("$ref"), str):
            yield reference
        schema = schema.values()
    elif not isinstance(schema, list):
        return
    for part in schema:
        yield from _references(part)


def _where(path: Any) -> str:
    return ".".join(map(str, path)) or "object"
