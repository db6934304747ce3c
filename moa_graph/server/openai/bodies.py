"""Bodies of requests: JSON into checked fields, or a 400 that names the field in OpenAI's way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from moa_graph.server.openai.errors import ApiError, refused

__all__ = ["Fields", "parse", "read"]


class Fields(BaseModel):
    """Fields of a request, or of a part of one. Numbers are numbers and texts are texts: nothing is converted."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)


Read = TypeVar("Read", bound=BaseModel)


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object that a body holds.

    Raises:
        ApiError: 400, it holds none.
    """
    try:
        data = orjson.loads(body)
    except ValueError:
        raise ApiError(400, "The request's body isn't valid JSON.", code="invalid_json") from None
    if not isinstance(data, dict):
        raise ApiError(400, "The request's body must be a JSON object.", code="invalid_json")
    return data


def read(kind: type[Read], data: Mapping[str, Any]) -> Read:
    """``data`` as fields of ``kind``.

    Raises:
        ApiError: 400, naming the first field that can't be taken.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        problem = max(error.errors(include_url=False), key=lambda one: len(_within(data, one["loc"])))
        where = _written(_within(data, problem["loc"]))
        if problem["type"] == "missing":
            where = f"{where}.{problem['loc'][-1]}" if where else str(problem["loc"][-1])
            raise refused(where, f"Missing required parameter: '{where}'.", "missing_required_parameter") from None
        what = problem["msg"].removeprefix("Value error, ")
        raise refused(where, f"Invalid value for '{where}': {what}.") from None


def _within(data: Any, location: Sequence[int | str]) -> list[int | str]:
    """The steps of a location that lead through ``data``: pydantic also names the branches of unions."""
    steps: list[int | str] = []
    for step in location:
        listed = isinstance(data, list) and isinstance(step, int) and step < len(data)
        if listed or (isinstance(data, Mapping) and step in data):
            data = data[step]
            steps.append(step)
    return steps


def _written(steps: Sequence[int | str]) -> str:
    """``messages[0].content``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")
