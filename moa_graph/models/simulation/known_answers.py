"""Questions whose answer is known: sums that can be computed, and a bundled list."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

from moa_graph.models.simulation.arithmetic import find_sum, written, wrong_numbers
from moa_graph.models.simulation.draws import SHARED, Draws
from moa_graph.models.simulation.profile import Profile

__all__ = ["Problem", "bundled_problems", "find_problem", "solve"]


@dataclass(frozen=True, slots=True)
class Problem:
    """A question with its right answer and some that one might give by mistake."""

    task: str
    question: str
    answer: str
    wrong: tuple[str, ...]


@cache
def bundled_problems() -> tuple[Problem, ...]:
    """The bundled questions with known answers."""
    text = resources.files(__package__).joinpath("questions.json").read_text(encoding="utf-8")
    return tuple(
        Problem(entry["task"], entry["question"], entry["answer"], tuple(entry["wrong"])) for entry in json.loads(text)
    )


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


@cache
def _bundled_by_wording() -> dict[str, Problem]:
    return {_plain(problem.question): problem for problem in bundled_problems()}


def find_problem(question: str) -> Problem | None:
    """What ``question`` asks, if its answer is known: a bundled question, or a sum anywhere in the text."""
    asked = _plain(question)
    for wording, problem in _bundled_by_wording().items():
        if wording in asked:
            return problem
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
