"""The ways that a turn may take through the stages of a graph: branches that are routed to, and early ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from moa_graph.stages.base import Site, Stage
from moa_graph.state import Turn

__all__ = ["Placed", "Way", "following", "next_after", "taken", "ways"]


@dataclass(frozen=True)
class Placed:
    """A stage in its place."""

    stage: Stage
    site: Site


@dataclass(frozen=True)
class Way:
    """One way from the first stage to the last.

    Args:
        routes: Name of each routing stage on it to the route that it takes there.
        stages: The stages on it, in order.
    """

    routes: Mapping[str, str] = field(default_factory=dict)
    stages: Sequence[Placed] = ()

    @property
    def last(self) -> Placed:
        """The stage that writes the answer."""
        return self.stages[-1]


def taken(stages: Sequence[Placed], turn: Turn) -> list[Placed]:
    """The stages that a turn passes, as far as its routes are decided."""
    routes = turn.get("routes", {}).items()
    return [placed for placed in stages if placed.site.branch <= routes]


def ways(stages: Sequence[Placed], turn: Turn) -> list[Way]:
    """Every way that a turn may take yet: one for each route that isn't decided."""
    open_ways = [Way()]
    for placed in stages:
        open_ways = [longer for way in open_ways for longer in _with(way, placed, turn)]
    return open_ways


def _with(way: Way, placed: Placed, turn: Turn) -> list[Way]:
    """The way with a stage behind it, once for each of the stage's routes that may be taken."""
    if not placed.site.branch <= way.routes.items():
        return [way]
    name, stages = placed.site.name, [*way.stages, placed]
    decided = turn.get("routes", {}).get(name)
    routes = [decided] if decided is not None else list(placed.stage.branches())
    return [Way({**way.routes, name: route}, stages) for route in routes] or [Way(way.routes, stages)]


def following(stages: Sequence[Placed], site: Site) -> list[Placed]:
    """The stages of which one follows where the run goes on: one for each of its routes; none after the last."""
    later = stages[site.index + 1 :]
    routes = stages[site.index].stage.branches()
    if not routes:
        return _behind(stages, site)[:1]
    firsts = (site.branch | {(site.name, route)} for route in routes)
    return [next(placed for placed in later if placed.site.branch == branch) for branch in firsts]


def next_after(stages: Sequence[Placed], site: Site, turn: Turn) -> Placed | None:
    """The stage that comes next in this turn; None where that is the answer."""
    early = stages[site.index].stage.may_end() if turn.get("end") else None
    if early == "finish" and not turn.get("must_write"):
        return None
    if early is not None:
        return next(reversed(_behind(stages, site)), None)
    route = (site.name, turn.get("routes", {}).get(site.name))
    candidates = following(stages, site)
    return next((placed for placed in candidates if len(candidates) == 1 or route in placed.site.branch), None)


def _behind(stages: Sequence[Placed], site: Site) -> list[Placed]:
    """The stages after this one that every way from it passes, whatever is routed on the way."""
    return [placed for placed in stages[site.index + 1 :] if placed.site.branch <= site.branch]
