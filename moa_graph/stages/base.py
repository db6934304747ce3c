"""What a stage is, where it stands in a graph, and how a kind of stage is made known."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from langchain_core.messages import BaseMessage
from langgraph.graph import StateGraph
from pydantic import Field

from moa_graph.calls.budget import Unit
from moa_graph.description import Description, Slot
from moa_graph.errors import MixtureError
from moa_graph.models.catalogue import Member
from moa_graph.options import Options
from moa_graph.state import MoaState, Record, latest_live, live, of_stage
from moa_graph.views import Prompt

if TYPE_CHECKING:
    from moa_graph.stages.plan import Placed, Plan

__all__ = ["Scene", "Seat", "Site", "Stage", "Task", "register", "stage_kinds"]


class Stage(Description, ABC):
    """One step of a mixture, adding nodes to its graph.

    A new kind is a subclass with fields of its own, made known with :func:`register`; it then may be written in YAML,
    and shows in the JSON Schema and the drawn graph. Stages whose slots work side by side build on
    :class:`moa_graph.stages.fan_out.FanOut`; others add whatever nodes they want.
    """

    kind: ClassVar[str]
    """The word under which the stage is written."""

    proposes: ClassVar[bool] = False
    """Whether its live records are proposals, of which a turn needs ``min_live`` to go on."""

    shown: ClassVar[bool] = False
    """Whether its live records are what the next stages are shown."""

    one_node: ClassVar[bool] = False
    """Whether its slot works in a node that bears the stage's own name."""

    answers: ClassVar[bool] = False
    """Whether its last live record is the run's answer, if no later stage gives one."""

    writes: ClassVar[bool] = False
    """Whether a model writes the answer there in its own words, so that it may call tools or be given a form."""

    name: str | None = Field(default=None, pattern=r"^[^:|]+$", description="Name in the graph; default: by its kind.")

    @abstractmethod
    def add_to(self, graph: StateGraph[Any, Any, Any, Any], site: Site) -> tuple[list[str], str]:
        """Adds the stage's nodes and the edges between them.

        Returns:
            The names of the nodes that start side by side, and of the one node in which the stage ends.
        """

    def all_slots(self) -> Sequence[Slot]:
        """The places that models fill."""
        return ()

    def units(self, site: Site, scene: Scene, expected: int | None = None) -> list[Unit]:
        """The answers that the stage will ask for, with what each may need of the budget.

        Args:
            site: Where the stage stands.
            scene: What it would be shown now.
            expected: Bytes of references to reckon with, where they aren't written yet.
        """
        return []

    def branches(self) -> Mapping[str, Sequence[Stage]]:
        """Stages of which a turn takes one branch after this one: each route's name and its stages, in order.

        The stage says which in ``turn.routes``. After its branch, the turn goes on with the stage behind this one.
        """
        return {}

    def check(self) -> None:
        """Refuses what can't work with a ``ValueError`` that names the field."""

    def begins_with(self) -> int | None:
        """How many tokens of each proposal are enough for this stage to begin; None: it waits for their ends."""
        return None

    def may_end(self) -> Literal["finish", "last stage"] | None:
        """Where the run goes on when this stage ends it early, by giving ``turn.end`` a reason; None: it never does."""
        return None


@dataclass(frozen=True)
class Task:
    """One answer that a slot is asked for.

    Args:
        sample: Its number among the slot's answers, from 0.
        prompt: What the model is shown.
        about: Identity of the record that the answer is about, if it is about one.
    """

    sample: int
    prompt: Prompt
    about: str | None = None


@dataclass(frozen=True)
class Seat:
    """A slot in its place.

    Args:
        slot: What the mixture says of it.
        name: Its name within the stage.
        node: Its node's name in the graph.
        index: Its place among the stage's slots, from 0.
        members: The models that fill it: its own, then its fallbacks.
        hedge: The model that is asked as well when an answer is late.
    """

    slot: Slot
    name: str
    node: str
    index: int
    members: tuple[Member, ...]
    hedge: Member | None = None

    @property
    def everyone(self) -> tuple[Member, ...]:
        """All models that may be asked."""
        return self.members if self.hedge is None else (*self.members, self.hedge)

    def record(self, sample: int) -> str:
        """The identity of the record of a sample."""
        return f"{self.node}#{sample}"


@dataclass(frozen=True)
class Site:
    """Where a stage stands.

    Args:
        plan: What it shares with the other stages of its graph.
        index: Its place among all stages, branches included.
        name: Its name in the graph.
        seats: Its slots with their models.
        branch: The routes that a turn must have taken to come here: names of routing stages and of their routes.
        field: Where the description writes it, for errors.
    """

    plan: Plan
    index: int
    name: str
    seats: tuple[Seat, ...]
    branch: frozenset[tuple[str, str]] = frozenset()
    field: str = ""

    @cached_property
    def following(self) -> Sequence[Placed]:
        """The stages of which one follows where the run goes on. To be asked once all stages are in their places."""
        return self.plan.following(self)

    @cached_property
    def is_last(self) -> bool:
        """Whether no stage follows on its way."""
        return not self.following


@dataclass(frozen=True)
class Scene:
    """What there is to be shown: the conversation, the records so far, and what was chosen for this run."""

    site: Site
    state: MoaState
    options: Options

    @property
    def conversation(self) -> tuple[BaseMessage, ...]:
        """The user's turns and the answers to them."""
        return tuple(self.state["messages"])

    @property
    def earlier(self) -> list[Placed]:
        """The stages before this one on the way that the turn has taken."""
        return [placed for placed in self.site.plan.taken(self.state["turn"]) if placed.site.index < self.site.index]

    @property
    def asks_nobody(self) -> bool:
        """Whether what this stage gave before came with the conversation."""
        return bool(self.state["turn"].get("advised")) and not self.site.is_last

    def proposals(self) -> list[Record]:
        """The live records of the last stage that is shown and has enough of them."""
        shown = [placed for placed in self.earlier if placed.stage.shown]
        fewest = [self.site.plan.min_live if placed.stage.proposes else 1 for placed in shown]
        return latest_live(self.state, list(zip((placed.site.name for placed in shown), fewest, strict=True)))

    def of_proposing(self) -> list[list[Record]]:
        """The records of each proposing stage before this one, live and failed."""
        records = self.state.get("records") or []
        return [of_stage(records, placed.site.name) for placed in self.earlier if placed.stage.proposes]

    def own_records(self) -> list[Record]:
        """What this stage has so far."""
        return of_stage(self.state.get("records") or [], self.site.name)

    def own_live(self) -> dict[str, Record]:
        """The stage's live records by identity."""
        return {record["id"]: record for record in live(self.own_records())}


_KINDS: dict[str, type[Stage]] = {}

StageType = TypeVar("StageType", bound=type[Stage])


def register(stage: StageType) -> StageType:
    """Makes a kind of stage known under its ``kind``; usable as a decorator, also from outside the package.

    Raises:
        MixtureError: Another class has this kind already.
    """
    known = _KINDS.setdefault(stage.kind, stage)
    if (known.__module__, known.__qualname__) != (stage.__module__, stage.__qualname__):
        raise MixtureError(f"two kinds of stage are called {stage.kind!r}: {known!r} and {stage!r}. Rename one.")
    _KINDS[stage.kind] = stage
    return stage


def stage_kinds() -> Mapping[str, type[Stage]]:
    """Every kind of stage that is known, by its word."""
    return dict(_KINDS)
