"""Each preset's page says what the preset does, and the table of all of them is up to date."""

from __future__ import annotations

import inspect
import re
import runpy
from pathlib import Path

import pytest

from moa_graph import Mixture, create_moa, preset_names
from moa_graph.presets import catalogue, preset_page
from moa_graph.size import size_of

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_takes_at_most_forty_lines(name: str) -> None:
    assert len(inspect.getsource(catalogue._find(name)).splitlines()) <= 40


def section(page: str, label: str) -> str:
    """What a page says behind a label, up to the next one."""
    return re.split(rf"\b{label}: ", " ".join(page.split()))[1].split(". Pays ")[0]


@pytest.mark.parametrize("name", preset_names())
def test_a_page_says_the_calls_and_the_critical_path_that_the_graph_has(name: str) -> None:
    size = size_of(create_moa(name).plan)
    calls, path = section(preset_page(name), "Calls"), section(preset_page(name), "Critical path")

    assert re.search(rf"(?<!\d){size.calls}(?!\d)", calls.split("Critical path")[0])
    assert re.search(rf"(?<!\d){size.critical_path}(?!\d)", path)


@pytest.mark.parametrize("name", preset_names())
def test_a_page_says_when_its_preset_pays_and_when_not(name: str) -> None:
    page = " ".join(preset_page(name).split())

    assert re.search(r"Pays .+?\. Not .+?\.", page)


def test_the_table_of_systems_is_up_to_date() -> None:
    made = runpy.run_path(str(DOCS / "make_systems.py"))["document"]()

    assert (DOCS / "systems.md").read_text(encoding="utf-8") == made, "run: python docs/make_systems.py"


def test_the_page_of_the_description_is_made_from_the_schema() -> None:
    made = runpy.run_path(str(DOCS / "make_mixture.py"))["document"]()
    assert (DOCS / "mixture.md").read_text(encoding="utf-8") == made, "run: python docs/make_mixture.py"


def test_every_field_of_a_description_says_what_it_means() -> None:
    page = (DOCS / "mixture.md").read_text(encoding="utf-8")
    assert [line for line in page.splitlines() if line.startswith("| `") and line.endswith("|  |")] == []


def test_the_pages_examples_are_whole() -> None:
    for text in runpy.run_path(str(DOCS / "make_mixture.py"))["EXAMPLES"].values():
        assert create_moa(Mixture.from_text(text), simulate=True).nodes


def test_the_reference_names_every_public_name() -> None:
    made = runpy.run_path(str(DOCS / "make_reference.py"))["document"]()
    assert (DOCS / "reference.md").read_text(encoding="utf-8") == made, "run: python docs/make_reference.py"
