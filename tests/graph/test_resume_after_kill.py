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
    return {
        file.name: file.read_text().split("\0\0")[:-1] for file in sorted(folder.iterdir()) if "." not in file.name
    }


def run_whole(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        [*PROGRAM, str(folder), *arguments], cwd=ROOT, check=True, capture_output=True, text=True, timeout=60
    ).stdout


def run_and_kill(folder: Path, door: str, durability: str) -> None:
    """Kills the process as soon as three slots' writes are in the database."""
    arguments = [*PROGRAM, str(folder), door, durability, "3", QUESTION]
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        written = {process.stdout.readline().strip() for _ in range(3)}
        process.kill()
    assert written == {"s0", "s1", "s2"}


@pytest.mark.parametrize("durability", ["async", "sync"])
@pytest.mark.parametrize("door", ["async", "sync"])
def test_a_killed_run_goes_on_with_what_it_had(tmp_path: Path, door: str, durability: str) -> None:
    killed, unkilled = tmp_path / "killed", tmp_path / "unkilled"
    killed.mkdir()
    unkilled.mkdir()
    run_and_kill(killed, door, durability)
    before = requests(killed)
    assert {name: len(shown) for name, shown in before.items()} == dict.fromkeys(["s0", "s1", "s2", "s3", "s4", "s5"], 1)

    resumed = run_whole(killed, door, durability, "4")
    after = requests(killed)
    again = {name: len(shown) for name, shown in after.items()}
    assert again == {"s0": 1, "s1": 1, "s2": 1, "s3": 2, "s4": 2, "s5": 2, "writer": 1}
    assert resumed.endswith("writer's answer\nresumed: True\n")

    whole = run_whole(unkilled, door, durability, "4", QUESTION)
    assert whole.endswith("writer's answer\nresumed: False\n")
    assert after["writer"] == requests(unkilled)["writer"]
