"""Structured output: the model that writes the answer is given a response format, and the run checks the answer."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.output_parsers import BaseOutputParser, JsonOutputParser, PydanticOutputParser
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.utils.pydantic import is_basemodel_subclass

from moa_graph.errors import InputError

__all__ = ["structured"]

METHODS = ("json_schema", "json_mode", "function_calling")


def structured(
    model: BaseChatModel, schema: dict[str, Any] | type, method: str, *, include_raw: bool, strict: bool | None = None
) -> Runnable[LanguageModelInput, Any]:
    """``model`` with its answers parsed as ``schema`` says.

    Args:
        model: The mixture.
        schema: A pydantic class, a ``TypedDict``, a JSON Schema or a tool's description.
        method: How traces say the response format was requested.
        strict: Whether the provider should hold the schema exactly.
        include_raw: Give back ``{"raw": ..., "parsed": ..., "parsing_error": ...}``.

    Raises:
        InputError: There is no such method.
    """
    if method not in METHODS:
        raise InputError(f"method: there is no method {method!r}; choose from {', '.join(METHODS)}")
    told = {"kwargs": {"method": method}, "schema": schema}
    given = {} if strict is None else {"strict": strict}
    asked = model.bind(response_format=schema, ls_structured_output_format=told, **given)
    parser: BaseOutputParser[Any] = JsonOutputParser()
    if isinstance(schema, type) and is_basemodel_subclass(schema):
        parser = PydanticOutputParser(pydantic_object=schema)
    if not include_raw:
        return asked | parser
    parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    unparsed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=asked) | parsed.with_fallbacks([unparsed], exception_key="parsing_error")
