"""The example in ``docs/stages.md`` runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from moa_graph import stages
from moa_graph.presets import load_preset, preset_page
from moa_graph.registry import KINDS, PRESETS
from moa_graph.state import Record

PAGE = (Path(__file__).parents[1] / "docs" / "stages.md").read_text(encoding="utf-8")


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    for registry in (KINDS, PRESETS):
        monkeypatch.setattr(registry, "_known", dict(registry._known))
    [code] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(code, "docs/stages.md", "exec", dont_inherit=True), names)
    return names


def test_the_example_runs(example: dict[str, Any]) -> None:
    assert example["result"]["report"]["degraded"] == []
    assert example["strict"].journal.asked[0].number == 0


def test_its_preset_has_a_page_and_its_size_is_known(example: dict[str, Any]) -> None:
    assert preset_page("checked").startswith("Three models answer")
    assert [stage.kind for stage in load_preset("checked").stages] == ["propose", "check"]


@pytest.mark.parametrize("name", stages.__all__)
def test_every_exported_name_is_documented(name: str) -> None:
    assert getattr(stages, name).__doc__


def test_the_page_names_what_is_exported() -> None:
    kinds = {kind.__name__ for kind in stages.stage_kinds().values()} - {"Propose", "Vote"}
    unnamed = {"Call", "MoaState", "ModelStage", "Node", "of_stage", "selected_update", "stage_kinds", "BoundStage"}

    named = set(re.findall(r"\w+", PAGE))
    assert set(stages.__all__) - kinds - unnamed <= named


def test_the_page_names_every_field_of_a_record() -> None:
    assert [name for name in Record.__annotations__ if f"`{name}`" not in PAGE] == []
