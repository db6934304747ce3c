"""What ``langgraph.json`` offers, without a server."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langgraph.graph.state import CompiledStateGraph

from moa_graph.presets import preset_names, preset_page
from moa_graph.server.serving import project_file

REPOSITORY = Path(__file__).parents[2]
LISTED: dict[str, Any] = json.loads((REPOSITORY / "langgraph.json").read_text())["graphs"]

PRINT_CUSTOM = "from moa_graph.server import graphs; print(sorted(graphs.custom.nodes))"


def in_a_new_process(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
        check=False,
        capture_output=True,
        text=True,
    )


def test_langgraph_json_is_what_the_presets_make_of_it() -> None:
    written = json.dumps(project_file(), indent=2) + "\n"
    assert (REPOSITORY / "langgraph.json").read_text() == written, "python -m moa_graph.server.serving > langgraph.json"


def test_every_preset_is_listed_with_its_pages_first_line() -> None:
    assert set(LISTED) == {*preset_names(), "custom"}
    for name in preset_names():
        assert preset_page(name).startswith(LISTED[name]["description"] + "\n")


def run_file(graph_id: str) -> Any:
    """The graph of an id, from its file, which is run for it anew, as servers do."""
    path, _, attribute = LISTED[graph_id]["path"].partition(":")
    spec = importlib.util.spec_from_file_location(f"loaded_{attribute}", REPOSITORY / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return vars(module)[attribute]


@pytest.mark.parametrize("graph_id", LISTED)
def test_a_listed_graph_can_be_loaded_from_its_file_and_brings_no_checkpointer(graph_id: str) -> None:
    graph = run_file(graph_id)
    assert isinstance(graph, CompiledStateGraph)
    assert graph.checkpointer is None
    assert graph.name == graph_id


def test_the_graphs_are_built_once_however_often_their_file_is_run() -> None:
    assert run_file("moa-lite") is run_file("moa-lite")


def test_the_graphs_load_within_a_second_beyond_langgraph_itself() -> None:
    code = "import time, langgraph.graph; t = time.process_time(); import moa_graph.server.graphs"
    loaded = in_a_new_process(f"{code}; print(time.process_time() - t)")
    assert float(loaded.stdout) < 1  # of processor time, so that other work on the machine doesn't count


def test_custom_is_simulated_without_keys_and_local_servers() -> None:
    without_servers = "from moa_graph import detection; detection.look_for_servers = lambda say=None: []"
    code = f"{without_servers}\nfrom moa_graph.server import graphs; print(graphs.custom.builder.plan.simulated)"
    assert in_a_new_process(code).stdout == "True\n"


def test_custom_asks_real_models_where_a_key_is_set() -> None:
    code = "from moa_graph.server import graphs; print(graphs.custom.builder.plan.simulated)"
    assert in_a_new_process(code, TOGETHER_API_KEY="a key").stdout == "False\n"


def test_custom_is_the_mixture_that_the_environment_names(tmp_path: Path) -> None:
    described = {"stages": [{"propose": {"slots": ["sim:swift"]}}, {"aggregate": {"slot": "sim:steady"}}]}
    mixture = tmp_path / "mine.json"
    mixture.write_text(json.dumps(described))
    shown = in_a_new_process(PRINT_CUSTOM, MOA_MIXTURE=str(mixture))
    assert "'layer_1/swift'" in shown.stdout


def test_a_mixture_that_isnt_there_stops_the_start_with_its_name() -> None:
    shown = in_a_new_process(PRINT_CUSTOM, MOA_MIXTURE="moa-trubo")
    assert shown.returncode == 1
    assert "MOA_MIXTURE=moa-trubo: there is no preset 'moa-trubo'. Did you mean moa-turbo" in shown.stderr
