"""Writes ``docs/systems.md``: the table of all presets, from their descriptions and pages.

python docs/make_systems.py
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from moa_graph import create_moa, preset_names
from moa_graph.presets import load_preset, preset_page
from moa_graph.size import size_of
from moa_graph.stage_kit.base import Stage

FILE = Path(__file__).with_name("systems.md")

HEAD = """\
# Systems by their names

Each is a preset: `moa ask --mixture NAME "..."`, `create_moa("NAME")`, a graph id in `langgraph.json`. Calls and
critical path (calls one after another) are those of a run that nothing ends early; *may be fewer* where a stage may end
it or picks a shorter way. `moa presets --long` prints the whole pages: source, roles, formula, published figures.

A stage of several slots is written with their number, samples counted; `/` divides ways of which one is taken.
`guard: cluster-and-filter` puts a filter behind each stage that proposes, in any of them.

| preset | made of | calls | critical path | pays |
| --- | --- | ---: | ---: | --- |
"""


def made_of(stages: Sequence[Stage]) -> str:
    """Stages in one line, equal ones that follow each other counted."""
    return " → ".join(_written(stage) for stage in stages)


def _written(stage: Stage) -> str:
    asked = sum(slot.samples for slot in stage.all_slots())
    ways = " / ".join(made_of(branch) for branch in stage.branches().values())
    return stage.kind + (f" {asked}" if asked > 1 else "") + (f" ({ways})" if ways else "")


def pays(page: str) -> str:
    """What the page says about when the preset pays: its sentence that begins so."""
    text = " ".join(page.split())
    found = re.search(r"Pays (?P<when>.+?)\. (?:Not |Published: )", text)
    assert found is not None, "every page says when its preset pays"
    return found["when"]


def row(name: str) -> str:
    """A preset's line of the table."""
    size = size_of(create_moa(name).plan)
    fewer = ", may be fewer" if size.may_end_early else ""
    cells = (f"`{name}`", made_of(load_preset(name).stages), f"{size.calls}{fewer}", str(size.critical_path))
    return f"| {' | '.join(cells)} | {pays(preset_page(name))} |\n"


def document() -> str:
    """The whole file."""
    return HEAD + "".join(row(name) for name in preset_names())


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
