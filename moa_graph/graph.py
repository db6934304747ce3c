"""A mixture becomes a LangGraph graph: ``prepare``, the stages in their order, ``finish``."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from langgraph.graph import END, START, StateGraph

from moa_graph.description import Model, Slot
from moa_graph.errors import MixtureError, MoaError
from moa_graph.finish import Finish
from moa_graph.mixture import Mixture, propose_and_aggregate
from moa_graph.models.catalogue import Catalogue, Member
from moa_graph.options import Options, options_class
from moa_graph.prepare import Prepare, cannot_limit
from moa_graph.presets.catalogue import load_preset
from moa_graph.stages.base import Seat, Site, Stage
from moa_graph.stages.node import Node
from moa_graph.stages.plan import Placed, Plan
from moa_graph.state import Input, MoaState, Output
from moa_graph.store import Store, open_store

__all__ = ["MoaGraph", "create_moa", "load_mixture"]

_MEANS_A_FILE = re.compile(r"[/\\]|\.(ya?ml|toml|json)$", re.IGNORECASE)


class MoaGraph(StateGraph[MoaState, Options, Input, Output]):
    """An uncompiled LangGraph graph of a mixture; ``compile()`` it as any other.

    Args:
        mixture: What the graph was made from.
        plan: Its stages in their places.
    """

    def __init__(self, mixture: Mixture, plan: Plan) -> None:
        super().__init__(MoaState, context_schema=plan.options, input_schema=Input, output_schema=Output)
        self.mixture = mixture
        self.plan = plan


def create_moa(
    mixture: str | Path | Mixture | Mapping[str, Any] | None = None,
    *,
    proposers: Sequence[Model | Slot | Mapping[str, Any]] | None = None,
    aggregator: Model | Slot | Mapping[str, Any] | None = None,
    layers: int | None = None,
    name: str | None = None,
    simulate: bool | None = None,
    substitute: Mapping[str, str] | None = None,
    store: str | Path | Store | None = None,
) -> MoaGraph:
    """The graph of a mixture, not yet compiled.

    Args:
        mixture: A preset's name, a file's path, a :class:`Mixture` or its plain data; or leave it out and give models.
        proposers: Models that answer side by side: ``"provider:name"``, chat model objects, or slots.
        aggregator: The model that writes the answer.
        layers: As the paper counts: ``layers`` - 1 times the proposers, and the aggregator; default: 2.
        name: Name in reports and traces.
        simulate: Put a simulated stand-in in every model's place; default: whether MOA_SIMULATE is set.
        substitute: Model -> the one asked in its place, for models that are served no longer.
        store: Keeps calls and answers equal ones: ``":memory:"``, a ``.sqlite`` or ``.jsonl`` file, or what
            :func:`moa_graph.store.open_store` gives, which can also record and replay.

    Raises:
        MixtureError: The description can't work; the message names the field.
        UnknownPreset: No preset has the name.
    """
    short = any(given is not None for given in (proposers, aggregator, layers))
    if (mixture is None) is not short:
        raise MixtureError("give either a mixture, or proposers, an aggregator and layers")
    if mixture is not None:
        described = load_mixture(mixture)
    elif aggregator is None:
        raise MixtureError("aggregator: name the model that writes the answer")
    else:
        described = propose_and_aggregate(proposers or (), aggregator, 2 if layers is None else layers)
    if name:
        described = described.model_copy(update={"name": name})
    if simulate is None:
        simulate = os.environ.get("MOA_SIMULATE", "") not in ("", "0")
    catalogue = Catalogue(described.models, simulate=simulate, substitute=substitute)
    graph = _build(described, catalogue, open_store(store) if store is not None else None)
    if unused := catalogue.unused_substitutes():
        raise MixtureError(f"{described.name}: substitute: no model of it is called {' or '.join(unused)}")
    return graph


def load_mixture(mixture: str | Path | Mixture | Mapping[str, Any]) -> Mixture:
    """The mixture that a preset's name, a file's path or plain data means.

    Raises:
        MixtureError: It can't be read or can't work.
        UnknownPreset: No preset has the name.
    """
    if isinstance(mixture, Mixture):
        return mixture
    if isinstance(mixture, Mapping):
        return Mixture.from_data(dict(mixture))
    if isinstance(mixture, str) and not _MEANS_A_FILE.search(mixture):
        return load_preset(mixture)
    if isinstance(mixture, str | Path):
        return Mixture.from_file(mixture)
    raise MixtureError(f"{mixture!r} is no mixture: give a preset's name, a file's path, a Mixture or its plain data")


def _build(mixture: Mixture, catalogue: Catalogue, store: Store | None) -> MoaGraph:
    members = {}
    for name in mixture.models:
        with _named(f"{mixture.name}: models.{name}"):
            members[name] = catalogue.member(name)
    sites = _seats(mixture, catalogue)
    seats = [seat for _, placed in sites for seat in placed]
    asked = [member for seat in seats for member in seat.members]
    everyone = {**{member.name: member for member in asked}, **members}
    if problem := cannot_limit(mixture.budget, asked):
        raise MixtureError(f"{mixture.name}: budget.{problem}")
    most = max((sum(seat.slot.samples for seat in placed) for _, placed in sites), default=1)
    proposers = [
        seat.name for stage, (_, placed) in zip(mixture.stages, sites, strict=True) if stage.proposes for seat in placed
    ]
    plan = Plan(
        mixture=mixture.name,
        budget=mixture.budget,
        min_live=mixture.min_live,
        members=everyone,
        options=options_class(
            list(everyone), list(dict.fromkeys(proposers)), range(mixture.min_live, most + 1), mixture.budget
        ),
        simulated=bool(asked) and all(member.provider == "sim" for member in asked),
        store=store,
        limits=mixture.limits,
    )
    for index, (stage, (name, placed)) in enumerate(zip(mixture.stages, sites, strict=True)):
        plan.stages.append(Placed(stage, Site(plan, index, name, tuple(placed))))
    graph = MoaGraph(mixture, plan)
    _wire(graph, plan)
    return graph


def _wire(graph: MoaGraph, plan: Plan) -> None:
    """Chains the stages by plain single edges: those of a fan-out are one superstep, so that its join runs once."""
    graph.add_node("prepare", Node(Prepare(plan)))
    graph.add_edge(START, "prepare")
    before = "prepare"
    placed_nodes = [_add_stage(graph, placed) for placed in plan.stages]
    graph.add_node("finish", Node(Finish(plan)))
    ends = {"finish": ["finish"], "last stage": placed_nodes[-1][0]}
    leave: Literal["finish", "last stage"] | None = None
    for placed, (entries, exit_node) in zip(plan.stages, placed_nodes, strict=True):
        _connect(graph, before, entries, ends[leave] if leave else None)
        before, leave = exit_node, placed.stage.may_end()
    _connect(graph, before, ["finish"], None)
    graph.add_edge("finish", END)


def _add_stage(graph: MoaGraph, placed: Placed) -> tuple[list[str], str]:
    try:
        return placed.stage.add_to(graph, placed.site)
    except MoaError:
        raise
    except ValueError as error:
        where = f"{graph.mixture.name}: stages.{placed.site.index}.{placed.stage.kind}"
        raise MixtureError(f"{where}: {error} Give the stage or its slots other names.") from None


def _connect(graph: MoaGraph, before: str, entries: list[str], early: list[str] | None) -> None:
    """Edges to the next stage, or by what ``turn.end`` says to where a run that ends early goes on."""
    if early is None:
        for entry in entries:
            graph.add_edge(before, entry)
        return

    def route(state: MoaState) -> list[str]:
        return early if state["turn"].get("end") else entries

    graph.add_conditional_edges(before, route, list(dict.fromkeys([*entries, *early])))


def _seats(mixture: Mixture, catalogue: Catalogue) -> list[tuple[str, list[Seat]]]:
    """Every stage's name, and its slots with their models."""
    layers = itertools.count(1)
    usual = [f"layer_{next(layers)}" if stage.kind == "propose" else stage.kind for stage in mixture.stages]
    names = _distinct([stage.name for stage in mixture.stages], usual)
    sites = []
    for index, (stage, name) in enumerate(zip(mixture.stages, names, strict=True)):
        with _named(f"{mixture.name}: stages.{index}.{stage.kind}"):
            sites.append((name, _seats_of(stage, name, catalogue)))
    return sites


@contextmanager
def _named(field: str) -> Iterator[None]:
    """What goes wrong within is told with the field that it is about."""
    try:
        yield
    except MixtureError as error:
        raise MixtureError(f"{field}: {error}") from None


def _seats_of(stage: Stage, name: str, catalogue: Catalogue) -> list[Seat]:
    slots = stage.all_slots()
    members = [tuple(_member(catalogue, slot, model) for model in (slot.model, *slot.fallbacks)) for slot in slots]
    labels = _distinct([slot.name for slot in slots], [first.name for first, *_ in members])
    return [
        Seat(slot, label, name if stage.one_node else f"{name}/{label}", index, asked)
        for index, (slot, label, asked) in enumerate(zip(slots, labels, members, strict=True))
    ]


def _distinct(given: Sequence[str | None], usual: Sequence[str]) -> list[str]:
    """The names that were given, and the usual ones for the rest: the second ``qwen`` is ``qwen-2``."""
    taken = {name for name in given if name is not None}
    names = []
    for name, base in zip(given, usual, strict=True):
        numbered = itertools.chain([base], (f"{base}-{number}" for number in itertools.count(2)))
        names.append(name or next(candidate for candidate in numbered if candidate not in taken))
        taken.add(names[-1])
    return names


def _member(catalogue: Catalogue, slot: Slot, model: Model) -> Member:
    return catalogue.member(model, temperature=slot.temperature, max_tokens=slot.max_tokens)
