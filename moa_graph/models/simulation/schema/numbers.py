"""Numbers within the bounds of a JSON schema."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from moa_graph.models.simulation.schema.resolution import invalid

__all__ = ["Share", "number_within"]

USUAL_SPAN = 10
SMALLEST_STEP = Fraction(1, 1000)
UNIT = re.compile(r"confidence|probability|share|fraction", re.IGNORECASE)
"""Names of numbers that run from 0 to 1 where the schema has no bounds."""


class Share(float):
    """How far up a scale a number stands, from 0 to 1."""


def number_within(
    schema: Mapping[str, Any], known: float | None, numbers: Iterator[float], share: float, name: str
) -> float | int:
    """A number that ``schema`` accepts.

    Args:
        schema: Its ``type``, bounds and ``multipleOf`` count.
        known: What the field means.
        numbers: Asked for the next one if nothing is known.
        share: Where in the span a number stands that nothing is known about, from 0 to 1.
        name: The field's name.

    Raises:
        SimulatedFault: 400, when no number fits the bounds.
    """
    bounds = _Bounds.of(schema)
    if isinstance(known, Share):
        share, known = known, None
    elif known is None:
        known = next(numbers, None)
    wanted = bounds.at(share, 1 if UNIT.search(name) else USUAL_SPAN) if known is None else _exact(known)
    return bounds.nearest(wanted)


def _exact(number: float) -> Fraction:
    return Fraction(str(number))


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What a schema says of a number, exclusive bounds moved in by a step."""

    low: Fraction | None
    high: Fraction | None
    step: Fraction | None

    @classmethod
    def of(cls, schema: Mapping[str, Any]) -> _Bounds:
        step = _step(schema)
        lows = [_exact(schema["minimum"])] if "minimum" in schema else []
        highs = [_exact(schema["maximum"])] if "maximum" in schema else []
        if "exclusiveMinimum" in schema:
            lows.append(_exact(schema["exclusiveMinimum"]) + (step or SMALLEST_STEP))
        if "exclusiveMaximum" in schema:
            highs.append(_exact(schema["exclusiveMaximum"]) - (step or SMALLEST_STEP))
        return cls(max(lows) if lows else None, min(highs) if highs else None, step)

    def at(self, share: float, span: int) -> Fraction:
        """The number at ``share`` of the span, which is ``span`` wide where bounds leave it open."""
        low = self.low
        if low is None:
            low = Fraction(0) if self.high is None or self.high > 0 else self.high - span
        high = low + span if self.high is None else self.high
        return low + _exact(share) * (high - low)

    def nearest(self, wanted: Fraction) -> float | int:
        """The number nearest to ``wanted`` that is allowed."""
        step = self.step or SMALLEST_STEP
        fitted = round(wanted / step) * step
        if self.low is not None and fitted < self.low:
            fitted = math.ceil(self.low / step) * step
        if self.high is not None and fitted > self.high:
            fitted = math.floor(self.high / step) * step
        if self.low is not None and fitted < self.low:
            fitted = self.low
        if (self.high is not None and fitted > self.high) or fitted % (self.step or fitted or 1):
            raise invalid("no number fits its bounds")
        return int(fitted) if fitted.denominator == 1 else float(fitted)


def _step(schema: Mapping[str, Any]) -> Fraction | None:
    whole = schema.get("type") == "integer"
    if "multipleOf" in schema:
        step = _exact(schema["multipleOf"])
        return Fraction(step.numerator) if whole else step
    return Fraction(1) if whole else None
