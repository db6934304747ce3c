"""A cast: which models play the parts of a description."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import zip_longest
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import Field, SerializerFunctionWrapHandler, ValidationError, field_validator, model_serializer

from moa_graph.casts.makers import maker_of
from moa_graph.casts.parts import Part
from moa_graph.description import Description, ModelSettings
from moa_graph.errors import MixtureError

__all__ = ["Cast", "CastModel", "merged"]


class CastModel(ModelSettings):
    """A model that plays a part, with where and when it was seen to be served."""

    source: str | None = Field(default=None, description="Where the model was seen to be served.")
    day: date | None = Field(default=None, description="The day on which it was seen.")
    why: str | None = Field(default=None, description="Why it was chosen.")

    @model_serializer(mode="wrap")
    def _to_model(self, write: SerializerFunctionWrapHandler) -> Any:
        written = write(self)
        return written["model"] if written.keys() == {"model"} else written

    @property
    def name(self) -> str:
        """The model as it is written."""
        return self.model if isinstance(self.model, str) else type(self.model).__name__

    def settings(self) -> dict[str, Any]:
        """What it says of how the model is asked."""
        told = {name: getattr(self, name) for name in self.model_fields_set if name in ModelSettings.model_fields}
        return {"model": self.model, **told}


class Cast(Description):
    """Models for the parts of a description.

    A list that is too short is gone through again, as Self-MoA (Li et al. 2025, arXiv 2502.00674) samples one model
    several times; what is missing altogether is played by the strong models.
    """

    name: str = Field(default="cast", min_length=1, description="Shows in the headline, the report and `moa show`.")
    strong: tuple[CastModel, ...] = Field(min_length=1, description="Play strong-1, strong-2 ..., in order.")
    cheap: tuple[CastModel, ...] = Field(default=(), description="Play cheap-1 ...; default: the last strong one.")
    frontier: tuple[CastModel, ...] = Field(default=(), description="Play frontier-1 ...; default: the strong ones.")
    writer: CastModel | None = Field(default=None, description="Default: the first of the strong ones.")
    judge: CastModel | None = Field(default=None, description="Default: the second of the strong ones.")
    day: date | None = Field(default=None, description="The day on which it was made.")
    source: str | None = Field(default=None, description="What it was made from.")

    @field_validator("strong", "cheap", "frontier", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, str | dict) else value

    @classmethod
    def from_data(cls, data: Any, where: str = "cast") -> Self:
        """A cast from plain data.

        Raises:
            MixtureError: A field of it can't work.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['msg']}" for one in error.errors()]
            raise MixtureError(f"{where}: {'; '.join(problems)}") from None

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """A cast from a YAML or JSON file.

        Raises:
            MixtureError: It can't be read or can't work.
        """
        try:
            data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise MixtureError(f"cast: {path} can't be read: {error}") from None
        return cls.from_data(data, f"cast {path}")

    def to_text(self) -> str:
        """YAML, which loads as an equal cast."""
        data = self.model_dump(mode="json", exclude_defaults=True)
        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)

    def player(self, part: Part) -> CastModel:
        """The model that plays ``part``."""
        if part.kind == "writer":
            return self.writer or self.strong[0]
        if part.kind == "judge":
            return self.judge or self.strong[min(1, len(self.strong) - 1)]
        players = self.players(part.kind)
        return players[(part.number - 1) % len(players)]

    def players(self, kind: str) -> Sequence[CastModel]:
        """The models for a kind of part that is numbered."""
        if kind == "cheap":
            return self.cheap or self.strong[-1:]
        return (self.frontier if kind == "frontier" else ()) or self.strong

    def models(self) -> list[CastModel]:
        """Every model of the cast, each once."""
        everyone = [*self.strong, *self.cheap, *self.frontier, self.writer, self.judge]
        return list({model.name: model for model in everyone if model is not None}.values())


def merged(casts: Sequence[Cast]) -> Cast:
    """One cast of several providers' own: makers mixed, each maker's first model before any second one."""
    if len(casts) == 1:
        return casts[0]
    first = casts[0]
    days = [cast.day for cast in casts if cast.day is not None]
    return Cast(
        name="+".join(cast.name for cast in casts),
        strong=_mixed(cast.strong for cast in casts),
        cheap=_mixed(cast.cheap for cast in casts),
        frontier=_mixed(cast.frontier or cast.strong[:1] for cast in casts),
        writer=first.player(Part("writer", 1)),
        judge=casts[1].player(Part("judge", 1)),
        day=min(days, default=None),
    )


def _mixed(lists: Iterable[Sequence[CastModel]]) -> tuple[CastModel, ...]:
    in_turn = [model for row in zip_longest(*lists) for model in row if model is not None]
    return tuple(different_makers_first(in_turn))


def different_makers_first(models: Iterable[CastModel]) -> Iterator[CastModel]:
    """The models in their order, but every maker's first before any maker's second."""
    left = list(models)
    while left:
        seen: set[str] = set()
        later = []
        for model in left:
            maker = maker_of(model.name)
            if maker in seen:
                later.append(model)
            else:
                seen.add(maker)
                yield model
        left = later
