"""The page about the command shows what the command does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import Moa

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)


def steps(block: str) -> list[tuple[str, str]]:
    """The commands of a block, each with what is shown below it."""
    parts = re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def run(moa: Moa, line: str) -> str:
    """What the command writes, stdout and stderr as they come."""
    said, _, command = line.rpartition(" | ")
    typed = shlex.split(said)[1] if said else None
    program, *arguments = shlex.split(command)
    assert program == "moa"
    return moa(*arguments, input=typed).output


def pattern(shown: str) -> str:
    """``...`` stands for anything."""
    return re.escape(shown.rstrip("\n")).replace(r"\.\.\.", ".*")


@pytest.mark.parametrize("block", BLOCKS, ids=[block.split()[2] + str(index) for index, block in enumerate(BLOCKS)])
def test_what_the_page_shows_is_what_comes(moa: Moa, block: str) -> None:
    for line, shown in steps(block):
        output = run(moa, line)
        assert re.fullmatch(pattern(shown), output.rstrip("\n"), re.DOTALL), output


def test_the_page_shows_every_command(moa: Moa) -> None:
    listed = moa("--help").stdout.partition("Commands:\n")[2].partition("\n\n")[0]
    commands = [line.split()[0] for line in listed.splitlines()]
    titles = " ".join(re.findall(r"^## (.*)", PAGE, re.MULTILINE)).split()
    assert [command for command in commands if command not in titles] == []
