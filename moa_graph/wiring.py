"""A mixture's stages in their places: their names, their slots with their models, and the edges between them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from langgraph.graph import END, START, StateGraph

from moa_graph.description import Model, Slot
from moa_graph.errors import MixtureError, MoaError
from moa_graph.finish import Finish
from moa_graph.mixture import Mixture
from moa_graph.models.catalogue import Catalogue, Member
from moa_graph.prepare import Prepare
from moa_graph.stage_kit.base import Stage
from moa_graph.stage_kit.bound import BoundSlot, BoundStage
from moa_graph.stage_kit.node import Node
from moa_graph.stage_kit.plan import Plan
from moa_graph.state import MoaState

__all__ = ["in_field", "place", "wire"]

Graph = StateGraph[Any, Any, Any, Any]

BranchKey = frozenset[tuple[str, str]]


def place(mixture: Mixture, catalogue: Catalogue, plan: Plan) -> list[BoundStage]:
    """Every stage in its place: branches follow the stage that routes to them, the guard what it guards."""
    return list(_Placing(mixture, catalogue, plan).chain(mixture.stages, "", frozenset(), "stages"))


class _Placing:
    def __init__(self, mixture: Mixture, catalogue: Catalogue, plan: Plan) -> None:
        self._mixture = mixture
        self._catalogue = catalogue
        self._plan = plan
        self._indexes = itertools.count()

    def chain(self, stages: Sequence[Stage], prefix: str, branch: BranchKey, field: str) -> Iterator[BoundStage]:
        """Stages that follow each other, with what belongs to each."""
        guard = self._mixture.guard_stage()
        for index, (stage, name) in enumerate(zip(stages, _names(stages), strict=True)):
            bound = self._placed(stage, prefix + name, branch, f"{field}.{index}.{stage.kind}")
            yield bound
            if guard is not None and stage.proposes:
                yield self._placed(guard, f"{bound.name}/{guard.kind}", branch, "guard")
            for route, inner in stage.branches().items():
                deeper = branch | {(bound.name, route)}
                where = f"{bound.field}.routes.{route}.stages"
                yield from self.chain(inner, f"{bound.name}/{route}/", deeper, where)

    def _placed(self, stage: Stage, name: str, branch: BranchKey, field: str) -> BoundStage:
        with in_field(f"{self._mixture.name}: {field}"):
            slots = _seats(stage, name, self._catalogue)
        return BoundStage(stage, self._plan, next(self._indexes), name, slots, branch, field)


def _names(stages: Sequence[Stage]) -> list[str]:
    """The stages' own names, or what their kind is called; propose stages are the layers."""
    layers = itertools.count(1)
    usual = [f"layer_{next(layers)}" if stage.kind == "propose" else stage.kind for stage in stages]
    return _distinct([stage.name for stage in stages], usual)


def _seats(stage: Stage, name: str, catalogue: Catalogue) -> tuple[BoundSlot, ...]:
    slots = stage.all_slots()
    members = [
        tuple(_member(catalogue, stage, slot, model) for model in (slot.model, *slot.fallbacks)) for slot in slots
    ]
    labels = _distinct([slot.name for slot in slots], [first.name for first, *_ in members])
    return tuple(
        BoundSlot(
            slot, label, name if stage.one_node else f"{name}/{label}", index, asked, _hedge(catalogue, stage, slot)
        )
        for index, (slot, label, asked) in enumerate(zip(slots, labels, members, strict=True))
    )


def _hedge(catalogue: Catalogue, stage: Stage, slot: Slot) -> Member | None:
    return None if slot.hedge is None else _member(catalogue, stage, slot, slot.hedge.model or slot.model)


def _member(catalogue: Catalogue, stage: Stage, slot: Slot, model: Model) -> Member:
    usual = stage.usual_temperature if slot.samples == 1 else None  # samples at 0 would all be the same
    temperature = usual if slot.temperature is None else slot.temperature
    return catalogue.member(model, temperature=temperature, max_tokens=slot.max_tokens, reasoning=slot.reasoning)


def _distinct(given: Sequence[str | None], usual: Sequence[str]) -> list[str]:
    """The names that were given, and the usual ones for the rest: the second ``qwen`` is ``qwen-2``."""
    taken = {name for name in given if name is not None}
    names = []
    for name, base in zip(given, usual, strict=True):
        numbered = itertools.chain([base], (f"{base}-{number}" for number in itertools.count(2)))
        names.append(name or next(candidate for candidate in numbered if candidate not in taken))
        taken.add(names[-1])
    return names


@contextmanager
def in_field(field: str) -> Iterator[None]:
    """What goes wrong within is told with the field that it is about."""
    try:
        yield
    except MixtureError as error:
        raise MixtureError(f"{field}: {error}") from None


def wire(graph: Graph, plan: Plan) -> None:
    """Adds all nodes, and the edges from each stage to what may come next.

    Edges within and into a stage are plain single ones, so that its slots are one superstep and its join runs once.
    Conditional edges leave only stages that decide: those that route, or may end the run.
    """
    graph.add_node("prepare", Node(Prepare(plan)))
    nodes = [_add(graph, bound) for bound in plan.stages]
    graph.add_node("finish", Node(Finish(plan)))
    entries = [starting for starting, _ in nodes]
    graph.add_edge(START, "prepare")
    for entry in entries[0]:
        graph.add_edge("prepare", entry)
    for bound, (_, exit_node) in zip(plan.stages, nodes, strict=True):
        _leave(graph, plan, bound, exit_node, entries)
    graph.add_edge("finish", END)


def _add(graph: Graph, bound: BoundStage) -> tuple[list[str], str]:
    try:
        return bound.stage.add_to(graph, bound)
    except MoaError:
        raise
    except ValueError as error:
        where = f"{bound.plan.mixture}: {bound.field}"
        raise MixtureError(f"{where}: {error} Give the stage or its slots other names.") from None


def _leave(graph: Graph, plan: Plan, bound: BoundStage, exit_node: str, entries: Sequence[list[str]]) -> None:
    """Edges from a stage to what comes next, by what the turn says where that isn't always the same."""

    def nodes_of(following: BoundStage | None) -> list[str]:
        return ["finish"] if following is None else entries[following.index]

    def onward(state: MoaState) -> list[str]:
        return nodes_of(plan.next_after(bound, state["turn"]))

    usual: list[BoundStage | None] = [*plan.following(bound)] or [None]
    targets = dict.fromkeys(node for following in (*usual, *_early(plan, bound)) for node in nodes_of(following))
    if len(usual) == 1 and list(targets) == nodes_of(usual[0]):
        for node in targets:
            graph.add_edge(exit_node, node)
    else:
        graph.add_conditional_edges(exit_node, onward, list(targets))


def _early(plan: Plan, bound: BoundStage) -> list[BoundStage | None]:
    """Where a run may go on that this stage ends early: to the answer, or to the stage that writes it."""
    if bound.stage.may_end() is None:
        return []
    writing = plan.next_after(bound, {"end": "early", "must_write": True})
    early = [plan.next_after(bound, {"end": "early"})]
    return [*early, writing] if writing is not None and writing.stage.writes else early
