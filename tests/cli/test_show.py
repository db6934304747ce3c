from __future__ import annotations

import json
import sys
from pathlib import Path

import jsonschema
import pytest

from moa_graph import Mixture, preset_names
from moa_graph.graph import load_mixture
from moa_graph.presets import preset_page
from tests.cli.conftest import Moa


def test_presets_are_listed_with_a_line_each(moa: Moa) -> None:
    lines = moa("presets").stdout.splitlines()
    assert [line.split()[0] for line in lines] == preset_names()
    assert "Six open models in three layers" in "".join(lines)


def test_presets_long_is_the_text_of_their_docstrings(moa: Moa) -> None:
    text = moa("presets", "--long").stdout
    assert [name for name in preset_names() if preset_page(name) not in text] == []


def test_show_says_what_a_mixture_is_what_it_takes_and_how_it_is_drawn(moa: Moa) -> None:
    text = moa("show", "together-moa").stdout
    assert "together:Qwen/Qwen1.5-110B-Chat" in text
    assert "Calls: 13. Critical path: 3." in text
    assert "layer_2/qwen-72b" in text


@pytest.mark.parametrize("syntax", ["yaml", "json", "toml"])
def test_a_shown_description_loads_as_the_same_mixture(moa: Moa, tmp_path: Path, syntax: str) -> None:
    path = tmp_path / f"shown.{syntax}"
    assert moa("show", "moa-turbo", "--format", syntax, "--output", str(path)).exit_code == 0
    assert Mixture.from_file(path) == load_mixture("moa-turbo")


def test_the_schema_takes_what_is_shown(moa: Moa) -> None:
    schema = json.loads(moa("show", "--format", "schema").stdout)
    jsonschema.validate(json.loads(moa("show", "moa-lite", "--format", "json").stdout), schema)


def test_the_text_shows_what_works_side_by_side(moa: Moa, instant: str) -> None:
    rows = moa("show", instant, "--format", "text").stdout.split("    ↓\n")
    assert [row.split() for row in rows] == [
        ["prepare"], ["layer_1/first", "layer_1/second"], ["layer_1/join"], ["aggregate"], ["finish"],
    ]  # fmt: skip


def test_the_text_shows_where_a_run_may_end(moa: Moa, tmp_path: Path) -> None:
    stages = [{"propose": {"slots": ["sim:a", "sim:b"]}}, {"stop": {}}, {"aggregate": {"slot": "sim:w"}}]
    (tmp_path / "stops.json").write_text(json.dumps({"stages": stages}))
    result = moa("show", "stops.json")
    assert "stop may go straight to finish" in result.stdout
    assert "stop may make it fewer" in result.stdout


def test_mermaid_is_langgraphs(moa: Moa, instant: str) -> None:
    drawn = moa("show", instant, "--format", "mermaid").stdout
    assert "graph TD" in drawn
    assert "aggregate --> finish" in drawn


def test_a_picture_is_drawn_on_this_machine(moa: Moa, instant: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="a picture needs the extra draw")
    result = moa("show", instant, "--format", "png", "--output", "drawn.png")
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "drawn.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_a_picture_says_what_to_install(
    moa: Moa, instant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = moa("show", instant, "--format", "png")
    assert result.exit_code == 1
    assert 'pip install "moa-graph[draw]"' in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [([], "moa presets"), (["moa-lit"], "moa-lite"), (["moa-lite", "-o", "no/such/folder"], "no/such/folder")],
)
def test_what_cannot_be_shown_is_bad_use(moa: Moa, arguments: list[str], named: str) -> None:
    result = moa("show", *arguments)
    assert result.exit_code == 2
    assert named in result.stderr
