"""Questions whose answer is known: sums that can be computed."""

from __future__ import annotations

from dataclasses import dataclass

from moa_graph.models.simulation.arithmetic import find_sum, written, wrong_numbers
from moa_graph.models.simulation.draws import SHARED, Draws
from moa_graph.models.simulation.profile import Profile

__all__ = ["Problem", "find_problem", "solve"]


@dataclass(frozen=True, slots=True)
class Problem:
    """A question with its right answer and some that one might give by mistake."""

    task: str
    question: str
    answer: str
    wrong: tuple[str, ...]


def find_problem(question: str) -> Problem | None:
    """The sum that ``question`` asks for anywhere in its text, if there is one."""
    found = find_sum(question)
    if found is None:
        return None
    return Problem("arithmetic", found.expression, written(found.value), wrong_numbers(found.value))


def solve(problem: Problem, profile: Profile, draws: Draws) -> str:
    """The answer that ``profile`` gives to ``problem``: right with the profile's skill at the task."""
    if SHARED.uniform("in common", problem.question) < profile.correlation:
        draws = SHARED
    if draws.uniform("right", problem.question) < profile.skill_at(problem.task):
        return problem.answer
    return draws.pick(problem.wrong, "wrong", problem.question)
