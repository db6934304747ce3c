"""A figure of the table: what it measures, what is to be reached, and what was."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Effort", "Result", "at_least", "at_most", "exactly", "failed"]

_TESTS: dict[str, Callable[[float, float], bool]] = {"<=": operator.le, ">=": operator.ge, "=": operator.eq}


@dataclass(frozen=True)
class Effort:
    """How much is measured: enough for the table, or ``quick`` for a look."""

    quick: bool = False

    @property
    def rounds(self) -> int:
        """Of each contender; the median counts."""
        return 5

    def scaled(self, full: int, quick: int) -> int:
        """How many of something to do."""
        return quick if self.quick else full


@dataclass(frozen=True)
class Result:
    """One line of the table.

    Args:
        figure: What was measured.
        value: What came out.
        test: How ``value`` has to stand to ``goal``.
        goal: What is to be reached.
        unit: Of both.
        detail: What the value was made from, for a reader.
    """

    figure: str
    value: float
    test: str
    goal: float
    unit: str = ""
    detail: str = ""

    @property
    def failed(self) -> bool:
        """Whether it couldn't be measured."""
        return math.isnan(self.value)

    @property
    def met(self) -> bool:
        """Whether the goal is reached."""
        return not self.failed and _TESTS[self.test](self.value, self.goal)

    def as_json(self) -> dict[str, object]:
        """The line as ``--json`` writes it."""
        if self.failed:
            return {"figure": self.figure, "value": None, "goal": "", "met": False, "error": self.detail}
        goal = f"{self.test} {self.goal:g}{self.unit and ' '}{self.unit}"
        return {"figure": self.figure, "value": round(self.value, 4), "goal": goal, "met": self.met}


def at_most(goal: float, figure: str, value: float, unit: str = "", detail: str = "") -> Result:
    """A figure that should stay small."""
    return Result(figure, value, "<=", goal, unit, detail)


def at_least(goal: float, figure: str, value: float, unit: str = "", detail: str = "") -> Result:
    """A figure that should get large."""
    return Result(figure, value, ">=", goal, unit, detail)


def exactly(goal: float, figure: str, value: float, unit: str = "", detail: str = "") -> Result:
    """A figure that is right or wrong."""
    return Result(figure, value, "=", goal, unit, detail)


def failed(figure: str, error: Exception) -> Result:
    """A figure that couldn't be measured."""
    return Result(figure, math.nan, "=", 0, "", f"{type(error).__name__}: {error}")
