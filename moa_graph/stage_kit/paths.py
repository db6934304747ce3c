"""The paths that a turn may take through the stages of a graph: branches that are routed to, and early ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from moa_graph.stage_kit.bound import BoundStage
from moa_graph.state import Turn

__all__ = ["Path", "following", "next_after", "paths", "taken"]


@dataclass(frozen=True)
class Path:
    """One path from the first stage to the last.

    Args:
        routes: Name of each routing stage on it to the route that it takes there.
        stages: The stages on it, in order.
    """

    routes: Mapping[str, str] = field(default_factory=dict)
    stages: Sequence[BoundStage] = ()

    @property
    def last(self) -> BoundStage:
        """The stage that writes the answer."""
        return self.stages[-1]


def taken(stages: Sequence[BoundStage], turn: Turn) -> list[BoundStage]:
    """The stages that a turn passes, as far as its routes are decided."""
    routes = turn.get("routes", {}).items()
    return [bound for bound in stages if bound.branch <= routes]


def paths(stages: Sequence[BoundStage], turn: Turn) -> list[Path]:
    """Every path that a turn may take yet: one for each route that isn't decided."""
    open_paths = [Path()]
    for bound in stages:
        open_paths = [longer for path in open_paths for longer in _with(path, bound, turn)]
    return open_paths


def _with(path: Path, bound: BoundStage, turn: Turn) -> list[Path]:
    """The path with a stage behind it, once for each of the stage's routes that may be taken."""
    if not bound.branch <= path.routes.items():
        return [path]
    name, stages = bound.name, [*path.stages, bound]
    decided = turn.get("routes", {}).get(name)
    routes = [decided] if decided is not None else list(bound.stage.branches())
    return [Path({**path.routes, name: route}, stages) for route in routes] or [Path(path.routes, stages)]


def following(stages: Sequence[BoundStage], bound: BoundStage) -> list[BoundStage]:
    """The stages of which one follows where the run goes on: one for each of its routes; none after the last."""
    later = stages[bound.index + 1 :]
    routes = bound.stage.branches()
    if not routes:
        return _behind(stages, bound)[:1]
    firsts = (bound.branch | {(bound.name, route)} for route in routes)
    return [next(one for one in later if one.branch == branch) for branch in firsts]


def next_after(stages: Sequence[BoundStage], bound: BoundStage, turn: Turn) -> BoundStage | None:
    """The stage that comes next in this turn; None where that is the answer."""
    early = bound.stage.may_end() if turn.get("end") else None
    if early == "finish" and not turn.get("must_write"):
        return None
    if early is not None:
        return next(reversed(_behind(stages, bound)), None)
    route = (bound.name, turn.get("routes", {}).get(bound.name))
    candidates = following(stages, bound)
    return next((one for one in candidates if len(candidates) == 1 or route in one.branch), None)


def _behind(stages: Sequence[BoundStage], bound: BoundStage) -> list[BoundStage]:
    """The stages after this one that every path from it passes, whatever is routed between."""
    return [later for later in stages[bound.index + 1 :] if later.branch <= bound.branch]
