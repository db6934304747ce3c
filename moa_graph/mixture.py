"""The whole description of a mixture: loaded from YAML, TOML, JSON or Python, checked, and printed back the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic.json_schema import models_json_schema

from moa_graph.calls.limits import Limits
from moa_graph.description import Budget, Description, ModelSettings
from moa_graph.errors import MixtureError
from moa_graph.models.reference import PROVIDERS
from moa_graph.options import Options
from moa_graph.problems import SHORT_FORM, explained, refuse_misspelt
from moa_graph.secrets import secrets_in
from moa_graph.source import Source, Syntax
from moa_graph.stage_kit.base import Stage, stage_kinds
from moa_graph.stage_kit.written import ANY_STAGE, AnyStage
from moa_graph.stages import ClusterAndFilter, FanOut

__all__ = ["Mixture", "propose_and_aggregate"]


EMPTY = "proposers and an aggregator, or stages; `moa show moa-lite` shows an example"
"""What is missing where nothing is written."""

GUARDS: Mapping[str, type[Stage]] = {"cluster-and-filter": ClusterAndFilter}
"""What may stand behind every stage that proposes."""


class Mixture(Description):
    """A mixture of models, as data. What can't work is refused with a message naming the field, before any call.

    Raises:
        MixtureError: On loading, when a field is unknown, missing or out of its bounds.
    """

    schema_version: Literal[1] = Field(default=1, description="Version of the description's fields.")
    name: str = Field(default="mixture", min_length=1, description="Shows in reports, traces and errors.")
    models: dict[str, ModelSettings] = Field(default_factory=dict, description="Models named once, used by name.")
    stages: tuple[AnyStage, ...] = Field(min_length=1, description="The steps, in order.")
    budget: Budget | None = Field(default=None, description="What one turn may spend.")
    limits: dict[str, Limits] = Field(
        default_factory=dict, description="Provider -> what it allows, for all runs of an event loop together."
    )
    min_live: int = Field(default=1, ge=1, description="Fewest live proposals with which a turn goes on.")
    guard: Literal["cluster-and-filter"] | None = Field(
        default=None, description="Filters what each stage proposes before anything else is done with it."
    )

    @model_validator(mode="before")
    @classmethod
    def _from_short_form(cls, data: Any) -> Any:
        if not is_short_form(data):
            return data
        if "stages" in data:
            given = ", ".join(name for name in SHORT_FORM if name in data)
            raise ValueError(
                f"stages: given together with {given}, which is another way to write them: give only one of the two"
            )
        rest = {name: value for name, value in data.items() if name not in SHORT_FORM}
        refuse_misspelt(rest, {*cls.model_fields} - {"stages"})
        return {**rest, "stages": _stages_of(**{name: data[name] for name in SHORT_FORM if name in data})}

    @field_validator("models")
    @classmethod
    def _names_fit_nodes(cls, models: dict[str, ModelSettings]) -> dict[str, ModelSettings]:
        for name in models:
            if not name or set(name) & set(":|"):
                raise ValueError(f"{name!r} can't be a name: leave out ':' and '|'")
        return models

    @field_validator("limits")
    @classmethod
    def _limits_are_providers(cls, limits: dict[str, Limits]) -> dict[str, Limits]:
        known = [*PROVIDERS, "object"]
        for name in limits:
            if name not in known:
                raise ValueError(f"there is no provider {name!r}; there are {', '.join(known)}")
        return limits

    @model_validator(mode="after")
    def _no_secrets(self) -> Self:
        for name, settings in self.models.items():
            if settings.base_url is not None and "@" in urlsplit(settings.base_url).netloc:
                raise ValueError(f"models.{name}.base_url: leave out the user and password, which don't belong in it")
            for field in ("base_url", "extra"):
                for path in secrets_in(getattr(settings, field)):
                    own_name = path.rpartition(".")[2]
                    place = "" if path == own_name else f" ({path})"
                    raise ValueError(
                        f"models.{name}.{field}: {own_name} holds a secret{place}, which is never part of a "
                        "description: name the environment variable that holds it in key_variable"
                    )
        return self

    @model_validator(mode="after")
    def _stages_work(self) -> Self:
        self._check_chain(self.stages, "stages")
        _check_answered(self.stages, "stages")
        proposing = [stage for stage in _with_branches(self.stages) if stage.proposes]
        most = max((sum(slot.samples for slot in stage.all_slots()) for stage in proposing), default=1)
        if self.min_live > most:
            raise ValueError(f"min_live: {self.min_live} live proposals can't come from at most {most} slot(s)")
        return self

    def _check_chain(self, stages: Sequence[Stage], field: str) -> None:
        """Refuses stages that can't work where they stand, and those of their branches."""
        for index, stage in enumerate(stages):
            where = f"{field}.{index}.{stage.kind}"
            try:
                stage.check()
                self._check_in_its_place(stage)
                _refuse_equal([slot.name for slot in stage.all_slots()], "slots")
            except ValueError as error:
                raise ValueError(f"{where}.{error}") from None
            for route, branch in stage.branches().items():
                self._check_chain(branch, f"{where}.routes.{route}.stages")
        _refuse_equal([stage.name for stage in stages], field)

    def guard_stage(self) -> Stage | None:
        """The stage that stands behind every stage that proposes."""
        return None if self.guard is None else GUARDS[self.guard]()

    def _check_in_its_place(self, stage: Stage) -> None:
        if stage.name in ("prepare", "finish"):
            raise ValueError(f"name: every graph has a node called {stage.name!r}; choose another name")
        if stage.proposes and isinstance(stage, FanOut):
            quorum, _ = stage.closes_at(Options())
            if quorum is not None and quorum < self.min_live:
                raise ValueError(f"quorum: it closes the stage at {quorum}, before the {self.min_live} of min_live")

    @classmethod
    def from_data(cls, data: Any, source: Source | None = None) -> Mixture:
        """A mixture from plain data, as a YAML file holds it.

        Args:
            data: Its fields; or a short form, ``proposers``, ``aggregator`` and ``layers`` in the place of ``stages``.
            source: The text that it was read from, for errors.
        """
        if data is None:
            where = f"{source.path}: " if source and source.path else ""
            raise MixtureError(f"{where}mixture: write its fields as a mapping; now it is empty. Write {EMPTY}")
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            name = data.get("name", "mixture") if isinstance(data, Mapping) else "mixture"
            raise explained(cls, name, error, source, short=is_short_form(data)) from None

    @classmethod
    def from_text(cls, text: str, syntax: Syntax = "yaml") -> Mixture:
        """A mixture from text as YAML, TOML or JSON."""
        return cls.from_source(Source(text, syntax))

    @classmethod
    def from_file(cls, path: str | Path) -> Mixture:
        """A mixture from a file whose ending says its syntax: .yaml, .yml, .toml or .json."""
        return cls.from_source(Source.of_file(path))

    @classmethod
    def from_source(cls, source: Source) -> Mixture:
        """A mixture from its text, of which errors name the file and the line."""
        return cls.from_data(source.data(), source)

    def to_data(self) -> dict[str, Any]:
        """Plain data; what stands at its default is left out.

        Raises:
            MixtureError: The mixture holds a chat model object, which can't be written.
        """
        try:
            return self.model_dump(mode="json", exclude_defaults=True)
        except ValueError as error:
            raise MixtureError(f"{self.name}: {str(error).rpartition('ValueError: ')[2]}") from None

    def to_text(self, syntax: Syntax = "yaml") -> str:
        """Text as YAML, TOML or JSON, which loads as an equal mixture."""
        data = self.to_data()
        if syntax == "json":
            return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
        if syntax == "toml":
            import tomli_w

            return tomli_w.dumps(data)
        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The JSON Schema of a description, with every kind of stage that is known now."""
        kinds = stage_kinds()
        references, definitions = models_json_schema(
            [(stage, "validation") for stage in kinds.values()], ref_template="#/$defs/{model}"
        )
        schema = cls.model_json_schema()
        described = [
            {
                "type": "object",
                "required": [kind],
                "additionalProperties": False,
                "properties": {kind: references[stage, "validation"]},
            }
            for kind, stage in sorted(kinds.items())
        ]
        schema["properties"] |= _short_form_schema()
        schema["required"] = []
        schema["oneOf"] = [{"required": ["stages"]}, {"required": ["aggregator"]}]
        schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
        schema["$defs"] = {**schema.get("$defs", {}), **definitions["$defs"], "Stage": {"oneOf": described}}
        completed: dict[str, Any] = _with_stages(schema)
        return completed


def _with_branches(stages: Sequence[Stage]) -> Iterator[Stage]:
    """All stages, those of branches too."""
    for stage in stages:
        yield stage
        for branch in stage.branches().values():
            yield from _with_branches(branch)


def _check_answered(stages: Sequence[Stage], field: str) -> None:
    """Refuses a way that doesn't end in an answer."""
    last, where = stages[-1], f"{field}.{len(stages) - 1}.{stages[-1].kind}"
    for route, branch in last.branches().items():
        _check_answered(branch, f"{where}.routes.{route}.stages")
    if not last.branches() and not last.answers:
        raise ValueError(f"{where}: the last stage must write the answer: put an aggregate stage after it")


def propose_and_aggregate(
    proposers: Any, aggregator: Any, layers: int = 2, *, name: str = "mixture", **fields: Any
) -> Mixture:
    """The mixture of Wang et al. 2024: ``layers`` - 1 propose stages with the same slots, and the aggregator.

    Args:
        proposers: Models or slots.
        aggregator: The model or slot that writes the answer.
        layers: As the paper counts: the aggregator is the last layer, and ``layers=1`` is the aggregator alone.
        name: Name of the mixture.
        fields: Further fields of :class:`Mixture`.

    Raises:
        MixtureError: What is given can't work.
    """
    try:
        stages = _stages_of(proposers, aggregator, layers)
    except ValueError as error:
        raise MixtureError(str(error)) from None
    return Mixture.from_data({"name": name, "stages": stages, **fields})


def is_short_form(data: Any) -> bool:
    """Whether models are given in the place of stages."""
    return isinstance(data, Mapping) and any(name in data for name in SHORT_FORM)


def _short_form_schema() -> dict[str, Any]:
    """What JSON Schema says of the short form."""
    slot = {"$ref": "#/$defs/Slot"}
    return {
        "proposers": {
            "type": "array",
            "items": slot,
            "description": "In the place of stages: models or slots that answer in all layers but the last.",
        },
        "aggregator": {**slot, "description": "In the place of stages: the model or slot that writes the answer."},
        "layers": {
            "type": "integer",
            "minimum": 1,
            "maximum": 99,
            "default": 2,
            "description": "In the place of stages: layers as the paper counts them, the aggregator included.",
        },
    }


def _stages_of(proposers: Any = (), aggregator: Any = None, layers: int = 2) -> list[Any]:
    """The stages that a short form stands for."""
    if aggregator is None:
        raise ValueError("aggregator: name the model that writes the answer")
    if not isinstance(proposers, list | tuple):
        raise ValueError(f"proposers: {proposers!r} isn't a list of models")
    if layers not in range(1, 100):
        raise ValueError(f"layers: {layers!r} isn't a whole number from 1 (the aggregator alone) to 99")
    if layers > 1 and not proposers:
        raise ValueError(f"proposers: {layers} layers need at least one")
    return [{"propose": {"slots": list(proposers)}}] * (layers - 1) + [{"aggregate": {"slot": aggregator}}]


def _with_stages(schema: Any) -> Any:
    """A JSON Schema in which a stage of any kind is one of those that are known."""
    if schema == ANY_STAGE:
        return {"$ref": "#/$defs/Stage"}
    if isinstance(schema, dict):
        return {key: _with_stages(value) for key, value in schema.items()}
    return [_with_stages(value) for value in schema] if isinstance(schema, list) else schema


def _refuse_equal(names: Sequence[str | None], field: str) -> None:
    given = [name for name in names if name is not None]
    for name in given:
        if given.count(name) > 1:
            raise ValueError(f"{field}: {given.count(name)} of them are called {name!r}; give each a name of its own")
