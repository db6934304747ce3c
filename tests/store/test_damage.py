"""A damaged entry is a miss that is told and replaced; it never poisons its question."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from moa_graph import create_moa
from moa_graph.errors import MixtureError, StoreMiss
from moa_graph.store import JSONLBackend, MemoryBackend, Store, open_store
from tests.models_for_tests import scripted

QUESTION: Any = {"messages": [("user", "a question")]}

DAMAGES: list[Any] = [
    "text",
    7,
    [],
    {},
    {"text": "no message", "created": 1.0},
    {"message": {}, "created": "yesterday"},
    {"message": {"content": 5}, "created": 1.0},
    {"message": {"content": "other words"}, "created": 1.0, "check": "0" * 16},
    {"message": {"nonsense": True}, "created": 1.0},
    {"message": {"content": "a", "usage_metadata": "many"}, "created": 1.0},
]


class Damaged(MemoryBackend):
    """Gives something else for every key until that is replaced."""

    def __init__(self, found: Any) -> None:
        super().__init__()
        self.found = found

    async def get(self, key: str) -> Any:
        kept = await super().get(key)
        if kept is None and isinstance(self.found, Exception):
            raise self.found
        return kept if kept is not None else self.found


@pytest.mark.parametrize("found", [*DAMAGES, ValueError("no JSON"), RecursionError("too deep"), KeyError("entry")])
async def test_a_damaged_entry_is_asked_again_told_and_replaced(found: Any, caplog: pytest.LogCaptureFixture) -> None:
    model = scripted("a", "the answer")
    store = Store(Damaged(found), ttl=1e12)
    graph = create_moa({"stages": [{"aggregate": {"slot": model}}]}, store=store).compile()
    with caplog.at_level(logging.WARNING):
        states = [await graph.ainvoke(QUESTION) for _ in range(2)]
    assert [state["messages"][-1].text for state in states] == ["the answer"] * 2
    assert [state["report"]["degraded"] for state in states] == [[], []]
    assert len(model.journal.asked) == 1
    assert "is damaged, so the model is called" in caplog.text


async def test_a_replay_says_that_the_recording_is_damaged() -> None:
    store = Store(Damaged({}), "replay")
    graph = create_moa({"stages": [{"aggregate": {"slot": scripted("a")}}]}, store=store).compile()
    with pytest.raises(StoreMiss, match=r"is damaged .*record it again"):
        await graph.ainvoke(QUESTION)


@pytest.mark.parametrize("suffix", ["jsonl", "sqlite"])
async def test_whatever_bit_flips_the_answer_is_right(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"calls.{suffix}"
    async with open_store(path) as store:
        await (
            create_moa({"stages": [{"aggregate": {"slot": scripted("a", "right")}}]}, store=store)
            .compile()
            .ainvoke(QUESTION)
        )
    whole, dice = path.read_bytes(), random.Random(18)
    refused: list[str] = []
    for _ in range(80):
        flipped = bytearray(whole)
        flipped[dice.randrange(len(whole))] ^= 1 << dice.randrange(8)
        path.write_bytes(flipped)
        try:
            store = open_store(path)
        except MixtureError as error:  # told before anything is paid
            refused.append(str(error))
            continue
        async with store:
            graph = create_moa({"stages": [{"aggregate": {"slot": scripted("a", "right")}}]}, store=store).compile()
            for _ in range(2):
                state = await graph.ainvoke(QUESTION)
                assert state["messages"][-1].text == "right"
                assert state["report"]["degraded"] == []
    assert all(str(path) in error for error in refused)
    assert len(refused) < (20 if suffix == "sqlite" else 1)


async def test_an_entry_without_a_checksum_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    stages: Any = [{"aggregate": {"slot": scripted("a", "recorded")}}]
    async with open_store(path, "record") as store:
        await create_moa({"stages": stages}, store=store).compile().ainvoke(QUESTION)
    line = json.loads(path.read_text())
    assert line["entry"].pop("check")
    line["entry"]["message"]["content"] = "edited by hand"
    path.write_text(json.dumps(line) + "\n")
    async with open_store(path, "replay") as store:
        state = await create_moa({"stages": stages}, store=store).compile().ainvoke(QUESTION)
    assert state["messages"][-1].text == "edited by hand"


async def test_a_line_of_brackets_is_no_entry(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_text('{"key": ' + "[" * 100_000 + "\n")
    backend = JSONLBackend(path)
    assert await backend.get("key") is None
    await backend.aclose()


@pytest.fixture
def readable_by_all() -> Iterator[Path]:
    """A folder that another user may read; pytest's own are closed to them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


@pytest.mark.skipif(sys.platform == "win32", reason="folders there are written to by who owns the disk")
@pytest.mark.parametrize("suffix", ["jsonl", "sqlite"])
def test_a_recording_is_replayed_from_a_disk_that_cannot_be_written(readable_by_all: Path, suffix: str) -> None:
    folder = readable_by_all
    path = folder / f"calls.{suffix}"
    stages: Any = [{"aggregate": {"slot": "sim:a"}}]

    async def record() -> None:
        async with open_store(path, "record") as store:
            await create_moa({"stages": stages}, store=store).compile().ainvoke(QUESTION)

    asyncio.run(record())
    for file in folder.iterdir():
        if file != path:
            file.unlink()
    script = """
        import os, sys
        from moa_graph import create_moa
        from moa_graph.store import open_store
        import filelock, moa_graph.store.sqlite  # the installed packages may be unreadable for others, too

        stages = [{"aggregate": {"slot": "sim:a"}}]
        question = {"messages": [("user", "a question")]}
        create_moa({"stages": stages}).compile().invoke(question)  # reads its files while they can be read
        if os.geteuid() == 0:
            os.setgroups([]); os.setgid(65534); os.setuid(65534)
        try:
            open(sys.argv[1] + ".new", "w")
            sys.exit("this folder can be written")
        except OSError:
            pass
        store = open_store(sys.argv[1], "replay")
        state = create_moa({"stages": stages}, store=store).compile().invoke(question)
        assert state["report"]["degraded"] == []
    """
    path.chmod(0o444)
    folder.chmod(0o555)
    try:
        ran = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script), str(path)],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "HOME": str(folder)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        folder.chmod(0o755)
    assert ran.returncode == 0, ran.stderr


async def test_a_file_whose_pages_are_damaged_is_kept_aside_and_begun_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, model = tmp_path / "calls.sqlite", scripted("a", "the answer")

    async def ask() -> str:
        async with open_store(file) as store:
            graph = create_moa({"stages": [{"aggregate": {"slot": model}}]}, store=store).compile()
            return str((await graph.ainvoke(QUESTION))["messages"][-1].text)

    await ask()
    whole = bytearray(file.read_bytes())
    at = whole.index(b"CREATE TABLE moa_calls")
    whole[at : at + 6] = b"CREATU"
    file.write_bytes(whole)
    with caplog.at_level(logging.WARNING):
        assert await ask() == "the answer"
    assert "is damaged" in caplog.text
    assert (tmp_path / "calls.sqlite.damaged-1").read_bytes() == whole
    assert await ask() == "the answer"
    assert len(model.journal.asked) == 2


@pytest.mark.parametrize("content", [b"these are notes\n" * 100, b"SQLite format 3\0" + b"\xff" * 5_000])
def test_a_file_that_was_no_store_is_left_alone(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "notes.sqlite"
    file.write_bytes(content)
    with pytest.raises(MixtureError, match="Name a SQLite file"):
        open_store(file)
    assert file.read_bytes() == content
    assert not list(tmp_path.glob("*damaged*"))
