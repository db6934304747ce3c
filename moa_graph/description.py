"""The parts that every description of a mixture is made of: models, slots, budgets and durations."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from langchain_core.language_models import BaseChatModel
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf, model_validator

__all__ = ["Budget", "Description", "Model", "ModelSettings", "Price", "Seconds", "Slot"]

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def _seconds(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h)?\s*", value)
    if match is None:
        raise ValueError(f"{value!r} is no duration: write seconds as a number, or 500ms, 2s, 1.5m, 1h")
    return float(match[1]) * _UNITS[match[2] or "s"]


Seconds = Annotated[float, BeforeValidator(_seconds, json_schema_input_type=float | str), Field(ge=0)]
"""A duration: a number of seconds, or text such as ``500ms``, ``2s``, ``1.5m``."""


class Description(BaseModel):
    """Base of everything that a person may write: unknown fields are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Model = str | InstanceOf[BaseChatModel]
"""A name from ``models``, ``provider:name``, or in Python a chat model object."""


class Price(Description):
    """List price of a model, in US dollars per million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached_input: float | None = Field(default=None, ge=0, description="Cached prompt tokens; default: as input.")


class ModelSettings(Description):
    """One model, named once in ``models`` and used by that name.

    Keys are never part of a description: ``key_variable`` names the environment variable that holds one.
    """

    model: Model = Field(description='"provider:name", or a chat model object in Python.')
    base_url: str | None = Field(default=None, description="Address of an OpenAI-compatible server.")
    key_variable: str | None = Field(default=None, description="Environment variable that holds the key.")
    temperature: float | None = Field(default=None, ge=0, le=2, description="Default: the slot's, else 0.7.")
    max_tokens: int | None = Field(default=None, ge=1, description="Most output tokens of one call.")
    top_p: float | None = Field(default=None, gt=0, le=1)
    stop: tuple[str, ...] | None = None
    seed: int | None = None
    extra: dict[str, Any] = Field(default_factory=dict, description="Further parameters of the chat model's class.")
    price: Price | None = Field(default=None, description="Overrides the price that the price library knows.")
    window: int | None = Field(default=None, ge=1, description="Context window in tokens; overrides the known one.")


class Slot(Description):
    """One place in a stage that a model fills, with its parameters and number of samples."""

    model: Model = Field(description='A name from `models`, "provider:name", or a chat model object in Python.')
    name: str | None = Field(default=None, pattern=r"^[^:|]+$", description="Name of its node; default: the model's.")
    samples: int = Field(default=1, ge=1, le=64, description="Answers asked of the model, each a proposal.")
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1)
    role: str | None = Field(default=None, description="Instruction that only this slot is given.")
    fallbacks: tuple[Model, ...] = Field(default=(), description="Models asked in turn when this one fails.")
    tries: int = Field(default=3, ge=1, le=10, description="Most requests to one model for one answer.")
    timeout: Seconds | None = Field(default=None, gt=0, description="For one model's answer, retries included.")
    partial: Literal["retry", "keep"] = Field(
        default="retry", description="What becomes of an answer whose stream stops in the middle."
    )

    @model_validator(mode="before")
    @classmethod
    def _from_model(cls, value: Any) -> Any:
        """A slot may be written as its model alone."""
        return {"model": value} if isinstance(value, str | BaseChatModel) else value


class Budget(Description):
    """What one turn may spend. Every limit is hard: a call that could pass it is not made."""

    usd: float | None = Field(default=None, gt=0, description="US dollars; needs known prices and max_tokens.")
    calls: int | None = Field(default=None, ge=1, description="Model requests, retries included.")
    tokens: int | None = Field(default=None, ge=1, description="Prompt and output tokens; needs max_tokens.")
    deadline: Seconds | None = Field(default=None, gt=0, description="Active seconds until the answer.")
