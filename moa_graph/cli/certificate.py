"""A certificate, and the tests that led to it, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

__all__ = ["tell_certificate"]


def tell_certificate(certificate: Mapping[str, Any], where: str | None) -> None:
    """Tells of the single models, the strategies that were tested, and what is promised.

    Args:
        certificate: As it is written to its file.
        where: The mixture's file, if one was written.
    """
    console = Console()
    singles = Table("single model", "right", "dollars per prompt")
    for model, single in sorted(certificate["singles"].items(), key=lambda one: -one[1]["dollars"]):
        singles.add_row(escape(model), _percent(single["accuracy"]), f"{single['dollars']:.3g}")
    console.print(singles)
    if certificate["tested"]:
        tested = Table("tested, the safest first", "right", "share of dollars", "largest p", "")
        for one in certificate["tested"]:
            passed = "passed" if one["passed"] else "failed"
            largest = "-" if one["largest_p"] is None else f"{one['largest_p']:.4f}"
            share = f"{one['cost_share']:.1%}"
            told = one["strategy"] if one["ways"] == 1 else f"by the prompt's tag, one of {one['ways']} ways"
            tested.add_row(escape(told), _percent(one["accuracy"]), share, largest, passed)
        console.print(tested)
    if len(certificate["ways"]) > 1:
        console.print("The strategies of the last that passed, by the prompt's tag:")
        for way in certificate["ways"]:
            console.print(f"- {escape(way)}", soft_wrap=True)
        console.print(
            "Pass each prompt's tag: moa ask --prompt-tag TAG, or the run-time option prompt_tag.", soft_wrap=True
        )
    console.print(escape(certificate["promise"]), soft_wrap=True)
    if certificate["reason"] != certificate["promise"]:
        console.print(escape(certificate["reason"]), soft_wrap=True)
    if where is not None:
        console.print(f"Written: {escape(where)}, its certificate beside it. What isn't covered:", soft_wrap=True)
        for line in certificate["not_covered"]:
            console.print(f"- {line}", soft_wrap=True)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.2%}"
