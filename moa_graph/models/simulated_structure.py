"""Structured output by way of ``response_format``, as OpenAI-compatible providers offer it."""

from __future__ import annotations

from operator import itemgetter
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.output_parsers import BaseOutputParser, JsonOutputParser, PydanticOutputParser
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema
from pydantic import BaseModel

__all__ = ["structured"]


def structured(
    model: BaseChatModel,
    schema: dict[str, Any] | type,
    method: Literal["json_schema", "json_mode"],
    include_raw: bool,
) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
    """``model`` with its answers parsed as ``schema`` says."""
    asked = model.bind(response_format=_response_format(schema, method))
    parser: BaseOutputParser[Any] = JsonOutputParser()
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        parser = PydanticOutputParser(pydantic_object=schema)
    if not include_raw:
        return asked | parser
    parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    unparsed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=asked) | parsed.with_fallbacks([unparsed], exception_key="parsing_error")


def _response_format(schema: dict[str, Any] | type, method: str) -> dict[str, Any]:
    if method == "json_mode":
        return {"type": "json_object"}
    json_schema = convert_to_json_schema(schema)
    name = json_schema.get("title", "answer")
    return {"type": "json_schema", "json_schema": {"name": name, "schema": json_schema}}
