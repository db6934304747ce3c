"""Route: a model reads the query alone and picks the branch that answers it: one model, or a mixture of its own.

Source: RouteLLM (Ong et al. 2024, arXiv 2406.18665): the strong branch if its probability to win reaches a threshold,
which is calibrated to a share of strong calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, create_model

from moa_graph.description import Description
from moa_graph.stage_kit.base import Stage, register
from moa_graph.stage_kit.bound import BoundSlot
from moa_graph.stage_kit.run_context import RunContext
from moa_graph.stage_kit.selection import Choice
from moa_graph.stage_kit.single import SingleSlot
from moa_graph.stage_kit.written import AnyStage, RouteName
from moa_graph.state import live
from moa_graph.views import Prompt

__all__ = ["Route", "threshold_for"]

PICK = """\
The latest user query will be answered in one of several ways. Don't answer it yourself: read it, and name the way \
that fits it best. The ways, each with what it is for:
{routes}"""

WEIGH = """\
The latest user query will be answered in one of two ways. Don't answer it yourself: read it, and give the \
probability from 0 to 1 that an answer by {strong} would be better than one by {other}. The ways, each with what it \
is for:
{routes}"""


class Odds(BaseModel):
    """How likely the strong way is to win."""

    reasoning: str = Field(default="", description="Why, in one sentence.")
    probability: float = Field(ge=0, le=1, description="That the strong way's answer would be the better one.")


class Branch(Description):
    """One way on."""

    when: str = Field(min_length=1, description="Which queries it is for; the router is told this.")
    stages: tuple[AnyStage, ...] = Field(min_length=1, description="The steps, in order.")


@register
class Route(SingleSlot):
    """Only the branch that is picked makes calls.

    Without a ``threshold`` the router names a route. With one there are two routes, of which ``default`` is the strong
    one: the router gives its probability to win, and it is taken where that reaches the threshold. A router that fails
    leaves the default, and the report says so.
    """

    kind: ClassVar[str] = "route"
    record_kind: ClassVar[str] = "route"
    usual_temperature: ClassVar[float | None] = 0.0

    routes: dict[RouteName, Branch] = Field(min_length=2, description="Name of each way -> what it is for, and does.")
    default: str = Field(description="The way that is taken where the router fails; with a threshold, the strong one.")
    threshold: float | None = Field(default=None, ge=0, le=1, description="Least probability to win of the strong way.")

    def branches(self) -> Mapping[str, Sequence[Stage]]:
        """The stages of each route."""
        return {name: branch.stages for name, branch in self.routes.items()}

    def check(self) -> None:
        """The default is one of the routes, and a threshold stands between two."""
        super().check()
        if self.default not in self.routes:
            raise ValueError(f"default: {self.default!r} is none of the routes: {', '.join(self.routes)}")
        if self.threshold is not None and len(self.routes) != 2:
            raise ValueError(f"threshold: it stands between two routes, not {len(self.routes)}")

    def answer_model(self) -> type[BaseModel]:
        """A route's name, or the strong route's probability."""
        return _decision(tuple(self.routes)) if self.threshold is None else Odds

    def prompt(self, slot: BoundSlot, run: RunContext) -> Prompt:
        """The conversation alone, with what the routes are for."""
        listed = "\n".join(f"- {name}: {branch.when}" for name, branch in self.routes.items())
        told = PICK if self.threshold is None else WEIGH
        other = next(name for name in self.routes if name != self.default)
        return Prompt(run.conversation, told.format(routes=listed, strong=self.default, other=other), role=slot.role)

    def conclude(self, run: RunContext) -> Choice:
        """The route that was picked, or the default."""
        for record in live(run.own_records()):
            if "data" in record:
                return Choice(route=self._picked(record["data"]))
        degraded = f"{run.stage.name} gave no decision: the default route, {self.default}, was taken"
        return Choice(route=self.default, degraded=degraded)

    def _picked(self, decision: Mapping[str, Any]) -> str:
        if self.threshold is None:
            return str(decision["route"])
        strong = decision["probability"] >= self.threshold
        return self.default if strong else next(name for name in self.routes if name != self.default)


@lru_cache(maxsize=64)
def _decision(routes: tuple[str, ...]) -> type[BaseModel]:
    """The schema of a decision for one of the routes."""
    fields: dict[str, Any] = {
        "reasoning": (str, Field(default="", description="Why, in one sentence.")),
        "route": (Literal[routes], Field(description="Name of the way that fits best.")),
    }
    return create_model("Decision", **fields)


def threshold_for(probabilities: Sequence[float], strong_share: float) -> float:
    """The threshold with which a router asks the strong way about as often as is wanted.

    Of two thresholds that come equally close to it, the one with fewer strong calls.

    Args:
        probabilities: What the router gave for queries like those to come: ``record["data"]["probability"]`` of its
            records.
        strong_share: Share of queries, from 0 to 1, that the strong way shall answer.

    Raises:
        ValueError: There are no probabilities, or the share is out of its bounds.
    """
    if not probabilities:
        raise ValueError("probabilities: give those of some queries")
    if not 0 <= strong_share <= 1:
        raise ValueError(f"strong_share: {strong_share} isn't a share from 0 to 1")

    def distance(threshold: float) -> tuple[float, float]:
        strong = sum(probability >= threshold for probability in probabilities)
        return abs(strong / len(probabilities) - strong_share), -threshold

    return min({*probabilities, 1.0}, key=distance)
