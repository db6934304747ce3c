"""The models of one mixture: names and references as they are written, become members that can be asked."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, cast
from weakref import WeakKeyDictionary

from langchain_core.language_models import BaseChatModel
from pydantic import SecretStr

from moa_graph.description import ModelSettings, Price, Reasoning
from moa_graph.models import prices
from moa_graph.models.build import PARAMETERS, Built, build, with_parameters
from moa_graph.models.clients import LoopClients, of_running_loop
from moa_graph.models.objects import (
    SHORTEST_SECRET,
    goes_through_its_loops_client,
    secrets_among,
    secrets_of,
)
from moa_graph.models.reasoning import ROOM, room_for
from moa_graph.models.reference import COMPATIBLE, PROVIDERS, ModelReference, key_variable_of, parse

__all__ = ["Catalogue", "Member"]

DEFAULT_TEMPERATURE = 0.7
"""Of all proposers in Wang et al. 2024 (arXiv 2406.04692), as their published code sets it."""


@dataclass(frozen=True)
class Member:
    """One model as one slot asks it.

    Args:
        name: As the description names it; the label of its node.
        settings: The model's settings with the slot's own over them.
        written: The parsed reference; None for a chat model object.
        room: Tokens that are added to ``max_tokens`` for reasoning.
        capped: Whether ``max_tokens`` counts reasoning too, so that there is no such room.
    """

    name: str
    settings: ModelSettings
    written: ModelReference | None
    room: int = 0
    capped: bool = False
    _asked_as: Member | None = field(default=None, repr=False, compare=False)
    _copies: dict[bool, Built] = field(default_factory=dict, init=False, repr=False, compare=False)
    _copies_of_loop: WeakKeyDictionary[LoopClients, dict[bool, Built]] = field(
        default_factory=WeakKeyDictionary, init=False, repr=False, compare=False
    )

    @cached_property
    def reference(self) -> str:
        """``provider:name``, or ``object:name`` for a chat model object, which tells objects of one class apart."""
        return str(self.written) if self.written else f"object:{self.name}"

    @cached_property
    def provider(self) -> str:
        """The part before the colon."""
        return self.reference.partition(":")[0]

    @cached_property
    def key_variable(self) -> str | None:
        """Environment variable that must hold the key; None if none is needed."""
        return key_variable_of(self.written, self.settings) if self.written else None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What nobody may read: its key, and what its headers hold."""
        if self.written is None:
            return self._secrets_of_object
        key = os.environ.get(self.key_variable or "", "")
        return tuple(one for one in (key, *secrets_among(self.settings.extra)) if len(one) >= SHORTEST_SECRET)

    @cached_property
    def _secrets_of_object(self) -> tuple[str, ...]:
        return secrets_of(cast(BaseChatModel, self.settings.model))

    @cached_property
    def price(self) -> Price | None:
        """List price; None if it isn't known."""
        if self._asked_as is not None:
            return self._asked_as.price
        return prices.price_of(self.settings)

    @cached_property
    def window(self) -> int | None:
        """Most tokens of a prompt; None if that isn't known."""
        if self._asked_as is not None:
            return self._asked_as.window
        return prices.window_of(self.settings)

    @cached_property
    def _identity(self) -> tuple[str, str]:
        """What members that may share a chat model have in common."""
        return self.reference, repr(dict(self.sent))  # unlike its own repr, with what mustn't be shown

    def for_sample(self, sample: int) -> Member:
        """This member for one of a slot's samples: a seed would make all of them the same, so each has its own."""
        if sample == 0 or self.settings.seed is None:
            return self
        settings = self.settings.model_copy(update={"seed": self.settings.seed + sample})
        return replace(self, settings=settings)

    def asked_with(self, parameters: Mapping[str, Any], *, capped: bool = False) -> Member:
        """This member with other parameters for one call. It shares this one's chat model, whatever they are.

        Args:
            parameters: Fields of :class:`ModelSettings`.
            capped: Whether ``max_tokens`` counts thoughts too, so that there is no room for them beside it.
        """
        settings = self.settings.model_copy(update=dict(parameters))
        asked = replace(self, settings=settings, capped=capped)
        return replace(_with_room(asked), _asked_as=self._asked_as or self)

    def thinking(self, reasoning: Reasoning | None, room: int | None = None) -> Member:
        """This member with another setting of how much it thinks.

        Args:
            reasoning: The setting; None tells the model nothing.
            room: Tokens for it; None leaves the room as it is.
        """
        settings = self.settings.model_copy(update={"reasoning": reasoning})
        return replace(self, settings=settings, room=self.room if room is None else room)

    def with_more_room(self) -> Member:
        """This member with more room to think; itself where nothing limits its output."""
        return self.thinking(self.settings.reasoning, max(2 * self.room, ROOM["default"]))

    @property
    def most_output(self) -> int | None:
        """Most tokens that a call may write, thoughts included; None where nothing limits it."""
        return None if self.settings.max_tokens is None else self.settings.max_tokens + self.room

    @property
    def sent(self) -> ModelSettings:
        """The settings as the provider is told them: it counts thoughts and answer together."""
        return self.settings.model_copy(update={"max_tokens": self.most_output}) if self.room else self.settings

    def missing_key(self) -> str | None:
        """Name of the environment variable that should hold a key and doesn't; None if all is well."""
        variable = self.key_variable
        return variable if variable and not os.environ.get(variable) else None

    def missing_package(self) -> str | None:
        """Name of the package that must be installed to ask this model; None if all is well."""
        package = PROVIDERS[self.provider].package if self.written and self.provider not in COMPATIBLE else None
        return package if package and not importlib.util.find_spec(package.replace("-", "_")) else None

    def chat_model(self, streaming: bool) -> Built:
        """The chat model for the running event loop, and the parameters that it doesn't take.

        Equal members share one. Must be called inside the loop that the model is asked in.

        Args:
            streaming: Whether the model may stream its answer.

        Raises:
            MissingKey: The environment doesn't hold the key.
            MixtureError: The provider's package isn't installed, or the description can't work.
        """
        if self._asked_as is not None:
            return with_parameters(self._asked_as.chat_model(streaming).model, self.sent, streaming=streaming)
        clients = of_running_loop()
        if self.written is None:
            return self._copy(clients, streaming)
        key = SecretStr(os.environ.get(self.key_variable or "", ""))
        identity = (*self._identity, key, streaming)
        return clients.once(identity, lambda: build(self.sent, clients, streaming=streaming))

    @cached_property
    def _goes_through_its_loops_client(self) -> bool:
        return goes_through_its_loops_client(cast(BaseChatModel, self.settings.model))

    def _copy(self, clients: LoopClients, streaming: bool) -> Built:
        """One copy for each loop where it holds the loop's connections, gone with them; otherwise one for all loops."""
        copies = self._copies
        if self._goes_through_its_loops_client:
            copies = self._copies_of_loop.setdefault(clients, {})
        if streaming not in copies:
            copies[streaming] = build(self.sent, clients, streaming=streaming)
        return copies[streaming]


class Catalogue:
    """Finds the member that a slot means.

    Args:
        models: Settings by name, as in the description.
        simulate: Whether a simulated stand-in takes every model's place. Names stay.
        substitute: Name or reference -> the one asked in its place, for models that are no longer served.
    """

    def __init__(
        self,
        models: Mapping[str, ModelSettings],
        *,
        simulate: bool = False,
        substitute: Mapping[str, str] | None = None,
    ) -> None:
        self._models = dict(models)
        self._simulate = simulate
        self._substitute = dict(substitute or {})
        self._unused = set(self._substitute)
        self._objects: dict[Hashable, Member] = {}

    def member(self, model: str | BaseChatModel, **overrides: Any) -> Member:
        """The member for what a slot's ``model`` says.

        Args:
            model: A name from ``models``, ``provider:name``, or a chat model object.
            overrides: Fields of :class:`ModelSettings` that the slot sets itself; None leaves the model's.

        Raises:
            MixtureError: ``model`` is neither a name nor a reference.
        """
        label, settings = self._label(model), self._settings(model)
        if self._simulate:
            settings = _stand_in(label, settings)
        given = {name: value for name, value in overrides.items() if value is not None}
        if isinstance(settings.model, BaseChatModel):
            return self._member_of_object(label, settings, given)
        if settings.temperature is None:
            given.setdefault("temperature", DEFAULT_TEMPERATURE)
        return _with_room(Member(label, settings.model_copy(update=given), parse(settings.model)))

    def unused_substitutes(self) -> list[str]:
        """The keys of ``substitute`` that no model asked for so far bears: misspelt, mostly."""
        return sorted(self._unused)

    def _member_of_object(self, label: str, settings: ModelSettings, given: dict[str, Any]) -> Member:
        """One member for equal uses of one object: a copy doesn't share the counters of its original."""
        identity = (label, id(settings.model), repr(sorted(given.items())))
        if identity not in self._objects:
            self._objects[identity] = Member(label, settings.model_copy(update=given), None)
        return self._objects[identity]

    def _label(self, model: str | BaseChatModel) -> str:
        if isinstance(model, str):
            return model if model in self._models else parse(model, self._models).label
        for bearer in ("model_name", "model", "model_id"):
            if isinstance(named := getattr(model, bearer, None), str):
                return ModelReference("object", named).label
        return type(model).__name__

    def _settings(self, model: str | BaseChatModel) -> ModelSettings:
        """The settings of ``model``, with what is substituted for its name or for its reference."""
        settings = self._described(model)
        for old in (model, settings.model):
            if (new := self._substituted(old)) is not old:
                return self._in_place_of(settings, new)
        if isinstance(settings.model, str):
            parse(settings.model, self._models)
        return settings

    def _described(self, model: str | BaseChatModel) -> ModelSettings:
        settings = self._models.get(model) if isinstance(model, str) else None
        return ModelSettings(model=model) if settings is None else settings

    def _in_place_of(self, old: ModelSettings, new: str | BaseChatModel) -> ModelSettings:
        """Another model, asked for the same kind of answer: what belongs to the old one's host stays behind."""
        if isinstance(new, str) and new in self._models:
            return self._models[new]
        if isinstance(new, str):
            parse(new, self._models)
        kept = {name: getattr(old, name) for name in (*PARAMETERS, "reasoning") if getattr(old, name) is not None}
        return ModelSettings(model=new, **kept)

    def _substituted(self, model: str | BaseChatModel) -> str | BaseChatModel:
        if not isinstance(model, str) or model not in self._substitute:
            return model
        self._unused.discard(model)
        return self._substitute[model]


def _with_room(member: Member) -> Member:
    """The member with room for its reasoning beside that for its answer, where there may be any."""
    room = 0 if member.written is None or member.capped else room_for(member.written, member.settings)
    return replace(member, room=room)


def _stand_in(label: str, settings: ModelSettings) -> ModelSettings:
    """A simulated model with the same parameters, and nothing that belongs to the real one's host."""
    kept = {parameter: getattr(settings, parameter) for parameter in PARAMETERS}
    return ModelSettings(model=f"sim:{label}", **kept)
