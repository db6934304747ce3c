"""A comparison as one self-contained HTML page: the table, the picture, and the items on which candidates differ."""

from __future__ import annotations

from typing import Any

from moa_graph.evaluation.comparing import CandidateComparison
from moa_graph.evaluation.pages import render
from moa_graph.evaluation.pictures import as_data, pareto_picture

__all__ = ["comparison_page"]

MOST_ITEMS = 200
LONGEST = 4000
"""Characters of an answer that are shown."""


def comparison_page(comparison: CandidateComparison, table: Any) -> str:
    """The page. It loads nothing from anywhere."""
    shown = comparison.differing[:MOST_ITEMS]
    rows = table[table["id"].astype(str).isin(shown)]
    names = [one.name for one in comparison.candidates]
    items = []
    for identity, answers in rows.groupby(rows["id"].astype(str), sort=False):
        by_name = {str(row["candidate"]): row for _, row in answers.iterrows()}
        first = answers.iloc[0]
        items.append(
            {
                "id": identity,
                "question": _text(first["question"]),
                "reference": _text(first["reference"]),
                "answers": [
                    {
                        "candidate": name,
                        "right": bool(by_name[name]["right"]),
                        "extracted": _text(by_name[name]["extracted"]),
                        "text": _text(by_name[name]["answer"])[:LONGEST],
                    }
                    for name in names
                    if name in by_name
                ],
            }
        )
    picture = as_data(pareto_picture(comparison)) if any(one.usd for one in comparison.candidates) else None
    return render(
        "comparison.html",
        comparison=comparison,
        items=items,
        picture=picture,
        timed=any(one.p50 is not None for one in comparison.candidates),
        rivals=[one for one in comparison.candidates if one.usd is not None],
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
