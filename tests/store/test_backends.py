"""Every backend keeps the same promises; then what only one of them has to."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from moa_graph.errors import MixtureError, MoaError
from moa_graph.store import Backend, Entry, JSONLBackend, MemoryBackend, SQLiteBackend

Make = Callable[..., Entry]
Open = Callable[[], Backend]
FILES = {"sqlite": SQLiteBackend, "jsonl": JSONLBackend}


def opener(kind: str, folder: Path) -> Open:
    if kind == "memory":
        return MemoryBackend
    return lambda: FILES[kind](folder / f"calls.{kind}")


@pytest.fixture(params=["memory", *FILES])
def open_backend(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    return opener(request.param, tmp_path)


@pytest.fixture(params=FILES)
def open_file(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    return opener(request.param, tmp_path)


@pytest.fixture
async def backend(open_backend: Open) -> AsyncIterator[Backend]:
    backend = open_backend()
    yield backend
    await backend.aclose()


@pytest.fixture
async def jsonl(tmp_path: Path) -> AsyncIterator[JSONLBackend]:
    backend = JSONLBackend(tmp_path / "calls.jsonl")
    yield backend
    await backend.aclose()


async def test_what_is_put_is_got(backend: Backend, entry: Make) -> None:
    await backend.put("one", entry("1"))
    await backend.put("two", entry("2"))
    assert await backend.get("one") == entry("1")
    assert await backend.get("two") == entry("2")


async def test_an_unknown_key_gives_none(backend: Backend, entry: Make) -> None:
    assert await backend.get("one") is None
    await backend.put("one", entry())
    assert await backend.get("two") is None


async def test_the_last_entry_of_a_key_counts(backend: Backend, entry: Make) -> None:
    for text in ("1", "2", "3"):
        await backend.put("one", entry(text))
    assert await backend.get("one") == entry("3")


@pytest.mark.parametrize(
    "text",
    ["", "a\nb\r\n\u2028\x00", "日本 😀", "\ud800", "x" * 300_000],
    ids=["empty", "line ends", "wide", "surrogate", "long"],
)
async def test_any_text_is_kept(backend: Backend, entry: Make, text: str) -> None:
    await backend.put("one", entry(text))
    assert await backend.get("one") == entry(text)


async def test_a_stored_entry_doesn_t_change_with_the_caller_s(backend: Backend, entry: Make) -> None:
    given = entry()
    await backend.put("one", given)
    given["message"]["content"] = "changed"
    got = await backend.get("one")
    assert got == entry()
    got["message"]["content"] = "changed"
    assert await backend.get("one") == entry()


async def test_many_at_once_are_all_kept(backend: Backend, entry: Make) -> None:
    await asyncio.gather(*(backend.put(f"{n}", entry(f"{n}")) for n in range(100)))
    assert await asyncio.gather(*(backend.get(f"{n}") for n in range(100))) == [entry(f"{n}") for n in range(100)]


def test_one_backend_serves_several_event_loops_one_after_another(open_backend: Open, entry: Make) -> None:
    backend = open_backend()
    for text in ("1", "2"):
        asyncio.run(backend.put(text, entry(text)))
    assert asyncio.run(backend.get("1")) == entry("1")
    asyncio.run(backend.aclose())


async def test_closing_twice_does_no_harm(open_backend: Open) -> None:
    backend = open_backend()
    await backend.aclose()
    await backend.aclose()


async def test_entries_outlive_their_backend(open_file: Open, entry: Make) -> None:
    first = open_file()
    await first.put("one", entry())
    await first.aclose()
    second = open_file()
    assert await second.get("one") == entry()
    await second.aclose()


async def test_two_on_one_file_see_each_other_s_entries(open_file: Open, entry: Make) -> None:
    first, second = open_file(), open_file()
    assert await second.get("one") is None
    await first.put("one", entry("1"))
    assert await second.get("one") == entry("1")
    await second.put("one", entry("2"))
    assert await first.get("one") == entry("2")
    await first.aclose()
    await second.aclose()


def stored_in(folder: Path) -> int:
    """The entries in the file, which must be closed: SQLite's log is gone then."""
    if (folder / "calls.jsonl").exists():
        return len((folder / "calls.jsonl").read_text().splitlines())
    assert not (folder / "calls.sqlite-wal").exists()
    with closing(sqlite3.connect(folder / "calls.sqlite")) as connection:
        count: int = connection.execute("SELECT count(*) FROM moa_calls").fetchone()[0]
        return count


async def test_closing_finishes_what_was_asked_for_and_ends_the_thread(
    open_file: Open, tmp_path: Path, entry: Make
) -> None:
    before = set(threading.enumerate())
    backend = open_file()
    puts = [asyncio.create_task(backend.put(f"{n}", entry())) for n in range(20)]
    await asyncio.sleep(0)
    await backend.aclose()
    assert stored_in(tmp_path) == 20
    await asyncio.gather(*puts)
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=10)
        assert not thread.is_alive()


async def test_a_closed_file_says_so(open_file: Open) -> None:
    backend = open_file()
    await backend.aclose()
    with pytest.raises(MoaError, match="is closed"):
        await backend.get("one")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.sqlite"
    path.write_text("Dear diary, " * 100)
    with pytest.raises(MixtureError, match=r"notes\.sqlite.*not a database"):
        SQLiteBackend(path)


async def test_a_database_that_fails_raises_os_error(tmp_path: Path, entry: Make) -> None:
    backend = SQLiteBackend(tmp_path / "calls.sqlite")
    with sqlite3.connect(tmp_path / "calls.sqlite") as other:
        other.execute("DROP TABLE moa_calls")
    other.close()
    with pytest.raises(OSError, match="no such table"):
        await backend.get("one")
    with pytest.raises(OSError, match="no such table"):
        await backend.put("one", entry())
    await backend.aclose()


async def test_every_torn_last_line_is_passed_over_and_ended(tmp_path: Path, entry: Make) -> None:
    path = tmp_path / "calls.jsonl"
    whole = (json.dumps({"key": "torn", "entry": entry()}) + "\n").encode()
    first = (json.dumps({"key": "first", "entry": entry("1")}) + "\n").encode()
    for length in range(len(whole) + 1):
        path.write_bytes(first + whole[:length])
        backend = JSONLBackend(path)
        complete = length >= len(whole) - 1
        assert await backend.get("torn") == (entry() if complete else None)
        await backend.put("next", entry("2"))
        assert await backend.get("first") == entry("1")
        assert await backend.get("next") == entry("2")
        assert await backend.get("torn") == (entry() if complete else None)
        await backend.aclose()


async def test_a_line_is_read_when_its_second_half_has_come(jsonl: JSONLBackend, tmp_path: Path, entry: Make) -> None:
    line = json.dumps({"key": "one", "entry": entry()}) + "\n"
    with (tmp_path / "calls.jsonl").open("w") as file:
        file.write(line[:40])
        file.flush()
        assert await jsonl.get("one") is None
        file.write(line[40:])
    assert await jsonl.get("one") == entry()


async def test_a_line_that_is_no_entry_is_told_once(
    jsonl: JSONLBackend, tmp_path: Path, entry: Make, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "calls.jsonl").write_text('{"key": "one"}\n\n[]\n')
    await jsonl.put("one", entry())
    with caplog.at_level(logging.WARNING, "moa_graph.store"):
        assert await jsonl.get("one") == entry()
        assert await jsonl.get("one") == entry()
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        "no entry in the line at byte 0, passed over",
        "no entry in the line at byte 16, passed over",
    ]


async def test_a_file_that_was_emptied_is_read_anew(jsonl: JSONLBackend, tmp_path: Path, entry: Make) -> None:
    await jsonl.put("one", entry("a long answer"))
    assert await jsonl.get("one") is not None
    (tmp_path / "calls.jsonl").write_text("")
    assert await jsonl.get("one") is None
    await jsonl.put("two", entry())
    assert await jsonl.get("two") == entry()


async def test_entries_are_only_appended(jsonl: JSONLBackend, tmp_path: Path, entry: Make) -> None:
    path = tmp_path / "calls.jsonl"
    await jsonl.put("one", entry("1"))
    before = path.read_bytes()
    await jsonl.put("one", entry("2"))
    assert path.read_bytes().startswith(before)
    assert len(path.read_text().splitlines()) == 2
