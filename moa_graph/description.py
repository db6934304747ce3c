"""The parts that every description of a mixture is made of: models, slots, budgets and durations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from langchain_core.language_models import BaseChatModel
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    PlainValidator,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema

from moa_graph.secrets import could_be_a_key, shown

__all__ = [
    "Budget",
    "Description",
    "Hedge",
    "Model",
    "ModelSettings",
    "PositiveSeconds",
    "Price",
    "Reasoning",
    "Seconds",
    "Slot",
    "duration",
]

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}

_DURATION = r"^\s*([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h)?\s*$"

_NODE_NAME = r"^[^:|\x00-\x1f]+$"
"""LangGraph's own marks can't be part of a node's name."""


def _seconds(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    match = re.fullmatch(_DURATION, value)
    if match is None:
        raise ValueError(f"{value!r} isn't a duration: write seconds as a number, or 500ms, 2s, 1.5m, 1h")
    return float(match[1]) * _UNITS[match[2] or "s"]


def duration(**bounds: Any) -> tuple[FieldInfo, BeforeValidator]:
    """What makes a number of seconds a duration that may be written as text, such as ``500ms``, ``2s``, ``1.5m``.

    Args:
        bounds: As for pydantic's ``Field``: ``ge``, ``gt``, ``le``, in seconds.
    """
    number: Any = Annotated[float, Field(**bounds)]
    written = number | Annotated[str, Field(pattern=_DURATION)]
    return Field(**bounds), BeforeValidator(_seconds, json_schema_input_type=written)


Seconds = Annotated[float, *duration(ge=0)]
"""A duration, or none."""

PositiveSeconds = Annotated[float, *duration(gt=0)]
"""A duration that isn't none."""


class Description(BaseModel):
    """Base of everything that a person may write: unknown fields are refused, values are frozen.

    How a class is checked is worked out at its first use: no run uses all of them.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True, defer_build=True
    )

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Nothing that a mixture is printed by shows a secret; a chat model object is told by its class and name."""
        for name, value in super().__repr_args__():
            yield name, _Named(value) if isinstance(value, BaseChatModel) else shown(value)


class _Named:
    """Stands for a chat model object where it is printed: its own fields may hold keys and headers."""

    def __init__(self, model: BaseChatModel) -> None:
        self._model = model

    def __repr__(self) -> str:
        bearers = (getattr(self._model, name, None) for name in ("model_name", "model", "model_id"))
        named = next((name for name in bearers if isinstance(name, str)), None)
        return f"<{type(self._model).__name__}{f' {named}' if named else ''}>"


def _read_model(value: Any) -> Any:
    if isinstance(value, BaseChatModel) or (isinstance(value, str) and value.strip()):
        return value
    raise ValueError(
        f"{shown(value)!r} isn't a model: write a name from `models` or provider:name, or give a chat model object"
    )


def _write_model(model: str | BaseChatModel) -> str:
    if isinstance(model, str):
        return model
    raise ValueError(f"{type(model).__name__} is a chat model object, which can't be written: name it as provider:name")


Reasoning = Literal["off", "low", "medium", "high", "default"] | Annotated[int, Field(ge=1)]
"""How much a model thinks before it answers: an effort, or a budget in tokens; ``default`` is the model's own way."""

Model = Annotated[
    str | BaseChatModel,
    PlainValidator(_read_model),
    PlainSerializer(_write_model, when_used="json"),
    WithJsonSchema({"type": "string", "minLength": 1}),
]
"""A name from ``models``, ``provider:name``, or in Python a chat model object."""


class Price(Description):
    """List price of a model, in US dollars per million tokens."""

    input: float = Field(ge=0, description="Prompt tokens.")
    output: float = Field(ge=0, description="Tokens of the answer, reasoning included.")
    cached_input: float | None = Field(default=None, ge=0, description="Cached prompt tokens; default: as input.")


class _WithModel(Description):
    """Base of what may be written as its model alone."""

    @model_validator(mode="before")
    @classmethod
    def _from_model(cls, value: Any) -> Any:
        return {"model": value} if isinstance(value, str | BaseChatModel) else value

    @model_serializer(mode="wrap")
    def _to_model(self, write: SerializerFunctionWrapHandler) -> Any:
        written = write(self)
        return written["model"] if written.keys() == {"model"} else written

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "minLength": 1}, handler(core)]}


class ModelSettings(_WithModel):
    """One model, named once in ``models`` and used by that name.

    Keys are never part of a description: ``key_variable`` names the environment variable that holds one.
    """

    model: Model = Field(description='"provider:name", a part, or a chat model object in Python.')
    base_url: str | None = Field(default=None, description="Address of an OpenAI-compatible server.")
    key_variable: str | None = Field(default=None, description="Environment variable that holds the key.")
    temperature: float | None = Field(default=None, ge=0, le=2, description="Default: the slot's, else 0.7.")
    max_tokens: int | None = Field(
        default=None, ge=1, description="Most tokens of an answer; room for reasoning is added."
    )
    reasoning: Reasoning | None = Field(
        default=None, description="How much it thinks before it answers: an effort, or a budget in tokens."
    )
    keep_reasoning: bool = Field(
        default=False, description="Keep what it thought, as far as it tells, in its records; no model reads it."
    )
    top_p: float | None = Field(default=None, gt=0, le=1, description="Share of the likeliest tokens to draw from.")
    stop: tuple[str, ...] | None = Field(default=None, description="Texts at which an answer ends.")
    seed: int | None = Field(default=None, description="Of the model's draws; each sample has one of its own.")
    extra: dict[str, Any] = Field(default_factory=dict, description="Further parameters of the chat model's class.")
    price: Price | None = Field(default=None, description="Overrides the price that the price library knows.")
    window: int | None = Field(default=None, ge=1, description="Context window in tokens; overrides the known one.")

    @field_validator("key_variable")
    @classmethod
    def _is_no_key(cls, variable: str | None) -> str | None:
        if variable is not None and could_be_a_key(variable):
            raise ValueError(
                "name the environment variable that holds the key, such as OPENAI_API_KEY; what is written there looks "
                "like the key itself, so it isn't repeated here"
            )
        return variable

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, address: str | None) -> str | None:
        if address is None:
            return None
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            meant = address if "//" not in address else address.partition("//")[2]
            raise ValueError(f"{address!r} isn't a server's address: write http:// or https://, as in http://{meant}")
        return address


class Hedge(Description):
    """A second call for an answer that is late; the first of the two to answer wins."""

    after: PositiveSeconds = Field(
        description="Seconds without an answer, or without the first token of a streamed one."
    )
    model: Model | None = Field(default=None, description="Asked then; default: the slot's own model again.")


class Slot(_WithModel):
    """One place in a stage that a model fills, with its parameters and number of samples."""

    model: Model = Field(
        description='A name from `models`, a part such as strong-1, "provider:name", or a chat model object in Python.'
    )
    name: str | None = Field(default=None, pattern=_NODE_NAME, description="Name of its node; default: the model's.")
    samples: int = Field(default=1, ge=1, le=64, description="Answers asked of the model, each a proposal.")
    temperature: float | None = Field(default=None, ge=0, le=2, description="Default: the model's.")
    max_tokens: int | None = Field(default=None, ge=1, description="Most tokens of an answer; default: the model's.")
    reasoning: Reasoning | None = Field(default=None, description="Default: the model's.")
    role: str | None = Field(default=None, description="Instruction that only this slot is given.")
    fallbacks: tuple[Model, ...] = Field(default=(), description="Models asked in turn when this one fails.")
    tries: int = Field(default=3, ge=1, le=10, description="Most requests to one model for one answer.")
    timeout: PositiveSeconds | None = Field(default=None, description="For one model's answer, retries included.")
    hedge: Hedge | None = Field(default=None, description="What is done about an answer that is late.")
    partial: Literal["retry", "keep"] = Field(
        default="retry", description="What becomes of an answer whose stream stops in the middle."
    )


class Budget(Description):
    """What one turn may spend. Every limit is hard: a call that could pass it is not made."""

    usd: float | None = Field(default=None, gt=0, description="US dollars; needs known prices and max_tokens.")
    calls: int | None = Field(default=None, ge=1, description="Model requests, retries included.")
    tokens: int | None = Field(default=None, ge=1, description="Prompt and output tokens; needs max_tokens.")
    deadline: PositiveSeconds | None = Field(default=None, description="Active seconds until the answer.")
