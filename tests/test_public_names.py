"""What ``moa_graph`` exports, and what importing it costs."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import moa_graph

PUBLIC = [
    "AnswerBeganAgain",
    "Budget",
    "BudgetTooSmall",
    "ChatMoA",
    "InputError",
    "MissingKey",
    "Mixture",
    "MixtureError",
    "MoaError",
    "MoaGraph",
    "ModelSettings",
    "Options",
    "OptionsError",
    "Price",
    "RunFailed",
    "Slot",
    "Stage",
    "StoreMiss",
    "TooFewProposals",
    "UnknownPreset",
    "__version__",
    "create_moa",
    "preset_names",
    "register",
]


def test_the_exported_names_are_exactly_these() -> None:
    assert moa_graph.__all__ == PUBLIC
    assert dir(moa_graph) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_every_exported_name_is_there_and_documented(name: str) -> None:
    value = getattr(moa_graph, name)

    assert value is getattr(moa_graph, name)
    assert name == "__version__" or inspect.getdoc(value)


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(moa_graph.__file__).read_text(encoding="utf-8"))
    imported = [
        alias.name
        for block in tree.body
        if isinstance(block, ast.If)
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    ]

    assert sorted([*imported, "__version__"]) == PUBLIC


def test_a_name_that_isnt_exported_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'moa_graph' has no attribute 'create_mao'"):
        moa_graph.create_mao  # noqa: B018


def test_importing_the_package_imports_neither_langchain_nor_langgraph() -> None:
    code = "import sys, moa_graph; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    loaded = {name.partition(".")[0] for name in ran.stdout.split()}
    assert "moa_graph" in loaded
    assert not {name for name in loaded if name.startswith(("lang", "pydantic", "openai", "httpx", "yaml"))}


def test_the_version_is_the_projects() -> None:
    import tomllib

    project = Path(__file__).parents[1] / "pyproject.toml"
    assert moa_graph.__version__ == tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"]
