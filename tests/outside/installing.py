"""Installs the outside package as an installer does, from its own pyproject, without asking a registry for anything."""

from __future__ import annotations

import os
import shutil
import tomllib
from pathlib import Path

__all__ = ["PACKAGE", "environment", "install"]

PACKAGE = Path(__file__).with_name("package")
ROOT = Path(__file__).parents[2]


def install(target: Path) -> Path:
    """The package's module and metadata in ``target``, which is then to be put on the path."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    shutil.copy(PACKAGE / "moa_verifiers.py", target)
    metadata = target / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir()
    described = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (metadata / "METADATA").write_text(described, encoding="utf-8")
    groups = (
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
        for group, points in project["entry-points"].items()
    )
    (metadata / "entry_points.txt").write_text("\n".join(groups), encoding="utf-8")
    return target


def environment(target: Path, **more: str) -> dict[str, str]:
    """This process's environment, for a process that finds the package and this project."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(target), str(ROOT)]), **more}
