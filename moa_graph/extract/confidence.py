"""How sure a text says that it is."""

from __future__ import annotations

import re

from moa_graph.extract.bounds import within_bounds
from moa_graph.extract.fields import json_field

__all__ = ["confidence"]

_STATED = re.compile(r"\bconfidence[\s\"'*_`]*(?:\bis\b|:|=)[\s\"'*_`]*(\d+(?:\.\d+)?|\.\d+)\s*(%?)", re.IGNORECASE)


def confidence(text: str) -> float | None:
    """The share from 0 to 1 that a text states last, in a JSON field ``confidence`` or behind that word.

    Percents and numbers above 1 are taken as hundredths; what is above 100 is none.
    """
    for written, percent in reversed(_STATED.findall(within_bounds(text))):
        return _as_share(float(written), percent)
    field = (json_field(text, "confidence") or "").strip()
    number, percent = field.rstrip("% "), field[-1:].strip()
    try:
        return _as_share(float(number), percent)
    except ValueError:
        return None


def _as_share(number: float, percent: str) -> float | None:
    share = number / 100 if percent == "%" or number > 1 else number
    return share if 0 <= share <= 1 else None
