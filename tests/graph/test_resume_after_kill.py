"""A process that is killed in the middle of a layer: a new one goes on where it stopped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = [sys.executable, "-m", "tests.graph.killed_run"]
ROOT = Path(__file__).parents[2]
QUESTION = "How long is a marathon?"


def requests(folder: Path) -> dict[str, list[str]]:
    """What each model was shown, request by request."""
    return {file.name: file.read_text().split("\0\0")[:-1] for file in sorted(folder.iterdir()) if "." not in file.name}


def run_whole(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        [*PROGRAM, str(folder), *arguments], cwd=ROOT, check=True, capture_output=True, text=True, timeout=60
    ).stdout


def run_and_kill(folder: Path, door: str, durability: str) -> None:
    """Kills the process as soon as three slots' writes, and the checkpoint that they belong to, are in the database."""
    arguments = [*PROGRAM, str(folder), door, durability, "3", QUESTION]
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told: dict[str, str] = {}
        checkpoints: set[str] = set()
        while len(told) < 3 or not set(told.values()) <= checkpoints:
            what, checkpoint = process.stdout.readline().split()
            if what == "checkpoint":
                checkpoints.add(checkpoint)
            else:
                told[what] = checkpoint
        process.kill()
    assert set(told) == {"s0", "s1", "s2"}


@pytest.fixture(scope="module")
def unkilled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What the models of a run that nobody killed were shown."""
    folder = tmp_path_factory.mktemp("unkilled")
    said = run_whole(folder, "async", "sync", "4", QUESTION)
    assert said.endswith("writer's answer\nresumed: False\n")
    return requests(folder)


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["async", "sync"])
@pytest.mark.parametrize("door", ["async", "sync"])
def test_a_killed_run_goes_on_with_what_it_had(
    tmp_path: Path, unkilled: dict[str, list[str]], door: str, durability: str
) -> None:
    run_and_kill(tmp_path, door, durability)
    assert "writer" not in requests(tmp_path)
    said = run_whole(tmp_path, door, durability, "4")
    shown = requests(tmp_path)
    assert [len(shown[finished]) for finished in ("s0", "s1", "s2")] == [1, 1, 1]
    assert len(shown["s3"]) == 2
    assert all(len(shown[cut]) <= 2 for cut in ("s4", "s5")), "the round had closed at its quorum of four"
    assert shown["writer"] == unkilled["writer"]
    assert said.endswith("writer's answer\nresumed: True\n")
