"""The mixtures that are served, under the names that clients call them by."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from moa_graph.errors import MixtureError
from moa_graph.graph import Compiled, MoaGraph, create_moa
from moa_graph.mixture import Mixture, propose_and_aggregate
from moa_graph.options import Options
from moa_graph.server.openai.errors import ApiError
from moa_graph.stage_kit.single import SingleSlot
from moa_graph.store import Store

__all__ = ["ServedMixture", "ServedMixtures", "served_mixtures"]

PREFIX = "moa/"
WRITER = ":writer"

OPENAI_SPEAKERS = ("openai", "together", "openrouter", "sim")
"""Providers whose models take the parameters of OpenAI's protocol by its names."""


@dataclass(frozen=True)
class ServedMixture:
    """One model name's mixture.

    Args:
        id: The full name, such as ``moa/council``.
        graph: The mixture's graph.
        about: What it is, in a line.
    """

    id: str
    graph: MoaGraph
    about: str = ""

    @cached_property
    def compiled(self) -> Compiled:
        """The graph, ready to run; no conversation is kept."""
        return self.graph.compile(checkpointer=False)

    @property
    def options(self) -> type[Options]:
        """What may be chosen for a run."""
        return self.graph.plan.options

    @property
    def writes(self) -> bool:
        """Whether a model writes the answer in its own words, whichever way a run takes."""
        return all(path.last.stage.writes for path in self.graph.plan.paths({}))

    @property
    def speaks_openai(self) -> bool:
        """Whether every model that may write the answer is asked in OpenAI's protocol."""
        last = [path.last for path in self.graph.plan.paths({})]
        members = [member for bound in last for slot in bound.slots for member in slot.members]
        return self.writes and all(member.provider in OPENAI_SPEAKERS for member in members)

    def to_data(self, identity: str, created: int) -> dict[str, Any]:
        """The model object of OpenAI's protocol, with what the mixture consists of under ``moa``."""
        stages = [
            {"stage": bound.name, "slots": [slot.name for slot in bound.slots]} for bound in self.graph.plan.stages
        ]
        described = {
            "mixture": self.graph.mixture.name,
            "about": self.about,
            "simulated": self.graph.plan.simulated,
            "writes": self.writes,
            "stages": stages,
            "options": self.options.model_json_schema(),
        }
        return {"id": identity, "object": "model", "created": created, "owned_by": "moa", "moa": described}


@dataclass(frozen=True)
class ServedMixtures:
    """Every mixture that is served.

    Args:
        served: Full name to mixture, in the order of the list; those that write alone among them.
        aliases: Further name to full name.
        chores: What the last message begins with where a front end asks for a title or the like: the aggregator
            answers that alone.
        created: When the server began, in seconds since 1970.
    """

    served: Mapping[str, ServedMixture]
    aliases: Mapping[str, str] = field(default_factory=dict)
    chores: Sequence[str] = ()
    created: int = field(default_factory=lambda: int(time.time()))

    def find(self, name: str) -> ServedMixture:
        """The mixture that a client means by ``name``.

        Raises:
            ApiError: 404, none is served under it.
        """
        full = self.aliases.get(name, name)
        found = self.served.get(full) or self.served.get(PREFIX + full)
        if found is None:
            listed = ", ".join(self.names())
            message = f"The model '{name}' does not exist. There are: {listed}."
            raise ApiError(404, message, code="model_not_found", param="model")
        return found

    def for_request(self, name: str, last_text: str, *, reasoning: bool) -> ServedMixture:
        """As :meth:`find`, but the aggregator alone, where there is one, for what needs no panel.

        Args:
            name: What the client calls it.
            last_text: The last message, which may be a front end's chore.
            reasoning: Whether the answer may be thought about: the panel's work is a mixture's reasoning.
        """
        found = self.find(name)
        if not reasoning or any(last_text.lstrip().startswith(chore) for chore in self.chores):
            return self.served.get(found.id + WRITER, found)
        return found

    def names(self) -> list[str]:
        """Every name of the list: the full ones and the aliases. The bare ones are understood too."""
        return [*self.served, *self.aliases]

    def to_data(self) -> list[dict[str, Any]]:
        """The model objects of the list."""
        return [self.find(name).to_data(name, self.created) for name in self.names()]


def served_mixtures(
    mixtures: Iterable[str | Path | Mixture],
    aliases: Mapping[str, str] | None = None,
    chores: Sequence[str] = (),
    *,
    simulate: bool | None = None,
    store: Store | None = None,
) -> ServedMixtures:
    """The mixtures, ready to be asked.

    Args:
        mixtures: Names of presets, files, or mixtures.
        aliases: Further name to the name that it stands for.
        chores: See :class:`ServedMixtures`.
        simulate: As for :func:`moa_graph.create_moa`.
        store: As for :func:`moa_graph.create_moa`.

    Raises:
        MixtureError: A description can't work, two have one name, or an alias names what isn't served.
    """
    served: dict[str, ServedMixture] = {}
    for mixture in mixtures:
        graph = create_moa(mixture, simulate=simulate, store=store)
        identity = PREFIX + graph.mixture.name
        if identity in served:
            raise MixtureError(f"{graph.mixture.name}: two mixtures have this name: give one of them another")
        served[identity] = ServedMixture(identity, graph, _about(mixture))
        writer = _writer_of(graph.mixture)
        if writer is not None:
            alone = create_moa(writer, simulate=simulate, store=store)
            about = f"The model that writes the answer of {identity}, alone."
            served[identity + WRITER] = ServedMixture(identity + WRITER, alone, about)
    found = ServedMixtures(served, dict(aliases or {}), tuple(chores))
    for alias, name in found.aliases.items():
        if alias in served:
            raise MixtureError(f"--alias {alias}={name}: {alias} is already served under this name")
        if name not in served and PREFIX + name not in served:
            raise MixtureError(f"--alias {alias}={name}: no mixture {name} is served; there are {', '.join(served)}")
    return found


def _writer_of(mixture: Mixture) -> Mixture | None:
    """The model that writes the answer, as a mixture of itself; None where no one model always does."""
    last = mixture.stages[-1]
    if not isinstance(last, SingleSlot) or not last.writes:
        return None
    (slot,) = last.all_slots()
    alone = propose_and_aggregate((), slot, layers=1, name=mixture.name + WRITER)
    return alone.model_copy(update={"models": mixture.models, "limits": mixture.limits, "budget": mixture.budget})


def _about(mixture: str | Path | Mixture) -> str:
    """The first line of a preset's page."""
    from moa_graph.presets import preset_names, preset_page

    return preset_page(mixture).partition("\n")[0] if isinstance(mixture, str) and mixture in preset_names() else ""
