"""What a stage is, and how a kind of stage is made known."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from langgraph.graph import StateGraph
from pydantic import Field

from moa_graph.calls.budget import PlannedAnswer
from moa_graph.description import Description, Slot
from moa_graph.registry import KINDS

if TYPE_CHECKING:
    from moa_graph.stage_kit.bound import BoundStage
    from moa_graph.stage_kit.run_context import RunContext

__all__ = ["Stage", "register", "stage_kinds"]


class Stage(Description, ABC):
    """One step of a mixture, adding nodes to its graph.

    A new kind is a subclass with fields of its own, made known with :func:`register`; it then may be written in YAML,
    and shows in the JSON Schema and the drawn graph. Stages that ask models side by side build on
    :class:`moa_graph.stages.FanOut`, those that ask one on :class:`moa_graph.stages.SingleSlot`, and those that choose
    without asking on :class:`moa_graph.stages.Selection`; others add whatever nodes they want.
    """

    kind: ClassVar[str]
    """The word under which the stage is written."""

    proposes: ClassVar[bool] = False
    """Whether its live records are proposals, of which a turn needs ``min_live`` to go on."""

    shown: ClassVar[bool] = False
    """Whether the next stages are shown what it gave: what it chose where it chose something, else its live records."""

    decides: ClassVar[bool] = False
    """Whether its models' records are judgements, which are never shown and never the answer: only its choice is."""

    one_node: ClassVar[bool] = False
    """Whether its slot works in a node that bears the stage's own name."""

    answers: ClassVar[bool] = False
    """Whether its last live record is the run's answer, if no later stage gives one."""

    writes: ClassVar[bool] = False
    """Whether a model writes the answer there in its own words, so it may call tools or follow a response format."""

    usual_temperature: ClassVar[float | None] = None
    """The temperature of slots that name none; None: their models' own. Judges repeat themselves at 0."""

    name: str | None = Field(default=None, pattern=r"^[^:|]+$", description="Name in the graph; default: by its kind.")

    @abstractmethod
    def add_to(self, graph: StateGraph[Any, Any, Any, Any], bound: BoundStage) -> tuple[list[str], str]:
        """Adds the stage's nodes and the edges between them.

        Args:
            graph: Where they are added.
            bound: The stage in its place, with its slots' models.

        Returns:
            The names of the nodes that start side by side, and of the one node in which the stage ends.
        """

    def all_slots(self) -> Sequence[Slot]:
        """The slots that models fill: those of a field called ``slots``, where there is one."""
        slots: Sequence[Slot] = getattr(self, "slots", ())
        return slots

    def planned_answers(self, bound: BoundStage, run: RunContext, expected: int | None = None) -> list[PlannedAnswer]:
        """The answers that the stage will ask for, with what each may need of the budget.

        Args:
            bound: The stage in its place.
            run: What it would be shown now.
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

    def told_to_proposers(self) -> str | None:
        """What proposers are told about how to end, so that this stage can read their answers; None: nothing."""
        return None

    def may_end(self) -> Literal["finish", "last stage"] | None:
        """Where the run goes on when this stage ends it early, by giving ``turn.end`` a reason; None: it never does."""
        return None


StageType = TypeVar("StageType", bound=type[Stage])


def register(stage: StageType) -> StageType:
    """Makes a kind of stage known under its ``kind``; usable as a decorator, from any package.

    Raises:
        MixtureError: Another class has this kind already.
    """
    KINDS.add(stage.kind, stage)
    return stage


def stage_kinds() -> Mapping[str, type[Stage]]:
    """Every kind of stage that is known, those of other packages too, by its word."""
    return KINDS.all()
