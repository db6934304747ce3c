"""The answers that the rounds before a stage came to."""

from __future__ import annotations

from moa_graph.stage_kit.run_context import RunContext
from moa_graph.state import Record, live, of_stage

__all__ = ["answers_of_rounds", "idle_rounds", "responses_of_last_round"]


def answers_of_rounds(run: RunContext) -> list[Record]:
    """The answer of each round, oldest first, none twice. A residual's choice stands for the synthesis before it."""
    answers: list[Record] = []
    for bound in run.earlier:
        if not bound.stage.answers:
            continue
        own = live(of_stage(run.state["records"], bound.name))
        written = [record for record in own if record["kind"] in ("synthesis", "choice")]
        if bound.stage.kind == "residual" and answers and written:
            answers.pop()
        answers.extend(written[-1:])
    first = {record["text"]: record for record in reversed(answers)}
    return [record for record in answers if first[record["text"]] is record]


def responses_of_last_round(run: RunContext) -> list[Record]:
    """What the round before this one went by: the responses that its answer was written from."""
    writing = [place for place, bound in enumerate(run.earlier) if bound.stage.writes]
    for bound in reversed(run.earlier[: writing[-1]] if writing else ()):
        if bound.stage.writes:
            break
        if bound.stage.shown and (found := bound.given(run.records)):
            return found
    return []


def idle_rounds(run: RunContext) -> int:
    """How many of the rounds just before brought nothing new, as stages of the same kind as this one found."""
    kind = run.stage.stage.kind
    idle = 0
    for bound in reversed(run.earlier):
        if bound.stage.kind == kind:
            own = live(of_stage(run.state["records"], bound.name))
            if not any((record.get("data") or {}).get("stop") for record in own):
                break
            idle += 1
    return idle
