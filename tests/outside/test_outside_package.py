"""Stages and presets of another package: found everywhere, made with public names only."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from langgraph_sdk import get_client

from tests.outside.installing import PACKAGE, environment, install
from tests.server.langgraph_dev import langgraph_dev

PUBLIC = {"moa_graph", "moa_graph.stages", "moa_graph.testing"}

MIXTURE = """\
name: checked
stages:
- propose: {slots: [sim:instant, sim:swift]}
- verify:
    slots: [sim:instant]
    aspects: {sums: whether the sum is right.}
"""

IN_A_PROCESS_THAT_HAS_IT = """
import json, sys
from click.testing import CliRunner
from moa_graph import create_moa
from moa_graph.cli import main
from moa_graph.testing import Reply, scripted

def verdict(asked):
    shown = "".join(message.text for message in asked.messages)
    return Reply(json.dumps({"approved": "It is 42." in shown}))

wrong, right, again = scripted("wrong", "It is 41."), scripted("right", "It is 42."), scripted("again", "It is 40.")
stages = [{"propose": {"slots": [wrong, right, again]}}, {"verify": {"slots": [scripted("verifier", verdict)]}}]
verified = create_moa({"stages": stages}).compile().invoke({"messages": [("user", "What is 6 * 7?")]})

def sure(answer, confidence):
    return json.dumps({"answer": answer, "confidence": confidence})

slots = [scripted("a", sure("41", 0.7)), scripted("b", sure("41", 0.7)), scripted("c", sure("42", 0.95))]
stages = [{"propose": {"slots": slots}}, {"weighted_vote": {}}]
voted = create_moa({"stages": stages}).compile().invoke({"messages": [("user", "What is 6 * 7?")]})
runs = {"verified": verified, "voted": voted}
told = {name: [r["messages"][-1].text, r["report"]["calls"], r["report"]["degraded"]] for name, r in runs.items()}

def moa(*arguments):
    ended = CliRunner().invoke(main, arguments)
    assert ended.exit_code == 0, ended.output
    return ended.stdout

told["presets"] = moa("presets")
told["shown"] = moa("show", "bon-mav")
told["schema"] = json.loads(moa("show", "--format", "schema"))
told["asked"] = moa("ask", "--mixture", "bon-mav", "--simulate", "What is 17 * 24 + 3?")
told["asked of a file"] = moa("ask", "--mixture", sys.argv[1], "What is 17 * 24 + 3?")
print(json.dumps(told))
"""

WITH_A_BROKEN_ONE = """\
import warnings; warnings.simplefilter("ignore")
from moa_graph import create_moa, preset_names
print(len(preset_names()) > 20, create_moa("moa-lite").mixture.name)
for unknown in ("bon-mav", {"stages": [{"verify": {}}]}):
    try: create_moa(unknown)
    except Exception as error: print(error)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def told(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a process says that has the package; one for all, since starting it takes most of the time."""
    file = tmp_path_factory.mktemp("described") / "checked.yaml"
    file.write_text(MIXTURE, encoding="utf-8")
    said: dict[str, Any] = json.loads(run(installed, IN_A_PROCESS_THAT_HAS_IT, str(file)))
    return said


def run(installed: Path, code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, env=environment(installed), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_made_with_public_names_only() -> None:
    tree = ast.parse((PACKAGE / "moa_verifiers.py").read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}

    assert {name for name in imported if name and name.startswith("moa_graph")} <= PUBLIC
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr.startswith("_")]


def test_its_stages_choose_as_their_papers_say(told: dict[str, Any]) -> None:
    assert told["verified"] == ["It is 42.", 3 + 3 * 2, []]
    assert told["voted"] == ['{"answer": "42", "confidence": 0.95}', 3, []]


def test_the_command_knows_its_presets_and_stages(told: dict[str, Any]) -> None:
    assert "bon-mav" in told["presets"]
    assert "Three models discuss for two rounds" in told["presets"]
    assert "Calls: 40. Critical path: 2." in told["shown"]
    assert "411" in told["asked"]
    assert "411" in told["asked of a file"]


def test_the_schema_of_descriptions_has_its_stages(told: dict[str, Any]) -> None:
    schema = told["schema"]

    kinds = {form["required"][0] for form in schema["$defs"]["Stage"]["oneOf"]}
    assert {"verify", "weighted_vote", "propose"} <= kinds
    stages = [{"propose": {"slots": ["sim:a"]}}, {"verify": {"slots": ["sim:a"], "aspects": {"sums": "right?"}}}]
    jsonschema.validate({"stages": stages}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"stages": [{"verify": {"slots": ["sim:a"], "aspect": {}}}]}, schema)


def test_a_package_that_cannot_be_imported_costs_its_own_stages_only(tmp_path: Path) -> None:
    broken = install(tmp_path)
    (broken / "moa_verifiers.py").write_text("import nothing_of_this_name\n", encoding="utf-8")

    first, no_preset, no_stage = run(broken, WITH_A_BROKEN_ONE).splitlines()

    assert first == "True moa-lite"
    for error in (no_preset, no_stage):
        assert (
            "moa-verifiers couldn't be imported: ModuleNotFoundError: No module named 'nothing_of_this_name'" in error
        )


@pytest.mark.slow
async def test_langgraph_dev_serves_its_presets(installed: Path, tmp_path: Path) -> None:
    question: Any = {"messages": [{"role": "user", "content": "What is 17 * 24 + 3?"}]}
    path = environment(installed)["PYTHONPATH"]
    with langgraph_dev(
        tmp_path, {"MOA_SIMULATE": "1", "PYTHONPATH": path}, project=PACKAGE / "langgraph.json"
    ) as server:
        async with get_client(url=server.url) as client:
            result: Any = await client.runs.wait(None, "bon-mav", input=question)

    assert "411" in result["messages"][-1]["content"]
    assert result["report"]["mixture"] == "bon-mav"
    assert [stage["stage"] for stage in result["report"]["stages"]] == ["layer_1", "verify"]
