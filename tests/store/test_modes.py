"""Cache, record and replay are three ways to use one store."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from typing_extensions import override

from moa_graph.errors import MixtureError, StoreMiss
from moa_graph.store import (
    CallIdentity,
    Entry,
    JSONLBackend,
    MemoryBackend,
    SQLiteBackend,
    Store,
    open_store,
)

MakeEntry = Callable[..., Entry]
MakeIdentity = Callable[..., CallIdentity]


class Model:
    """Answers with the number of the call; counts them."""

    def __init__(self, make: MakeEntry) -> None:
        self.calls = 0
        self.make = make
        self.whole = True

    async def __call__(self) -> tuple[str, Entry | None]:
        self.calls += 1
        text = f"answer {self.calls}"
        return text, self.make(text) if self.whole else None


class Broken(MemoryBackend):
    @override
    async def get(self, key: str) -> Entry | None:
        raise OSError("the disk is gone")

    @override
    async def put(self, key: str, entry: Entry) -> None:
        raise OSError("the disk is full")


@pytest.fixture
def model(entry: MakeEntry) -> Model:
    return Model(entry)


def text_of(entry: Entry) -> str:
    return entry["text"]


async def test_off_calls_every_time_and_stores_nothing(identity: MakeIdentity, model: Model) -> None:
    backend = MemoryBackend()
    store = Store(backend, "off")
    replies = [await store.once(identity(), model, text_of) for _ in range(2)]
    assert replies == [("answer 1", False), ("answer 2", False)]
    assert await backend.get(identity().key) is None


async def test_a_cached_call_is_made_once(identity: MakeIdentity, model: Model) -> None:
    store = Store(MemoryBackend(), "cache")
    replies = [await store.once(identity(), model, text_of) for _ in range(3)]
    assert replies == [("answer 1", False), ("answer 1", True), ("answer 1", True)]
    assert model.calls == 1


async def test_an_entry_is_missing_once_it_is_as_old_as_the_ttl(
    identity: MakeIdentity, model: Model, entry: MakeEntry
) -> None:
    now = 1000.0
    store = Store(MemoryBackend(), "cache", ttl=60, clock=lambda: now)
    assert await store.once(identity(), model, text_of) == ("answer 1", False)
    now = 1059.9
    assert await store.once(identity(), model, text_of) == ("answer 1", True)
    now = 1060.0
    model.make = lambda text: entry(text, created=now)
    assert await store.once(identity(), model, text_of) == ("answer 2", False)
    now = 1119.0
    assert await store.once(identity(), model, text_of) == ("answer 2", True)


async def test_recording_calls_every_time_and_keeps_the_last(identity: MakeIdentity, model: Model) -> None:
    backend = MemoryBackend()
    store = Store(backend, "record")
    replies = [await store.once(identity(), model, text_of) for _ in range(2)]
    assert replies == [("answer 1", False), ("answer 2", False)]
    assert await Store(backend, "replay").once(identity(), model, text_of) == ("answer 2", True)


async def test_a_replay_without_an_entry_names_the_call_and_what_to_do(identity: MakeIdentity, model: Model) -> None:
    store = Store(MemoryBackend(), "replay")
    with pytest.raises(StoreMiss) as miss:
        await store.once(identity(stage="layer_2", slot="a-2", sample=5), model, text_of)
    for part in ("stage layer_2", "slot a-2", "sample 5", "model sim:a", "record again", "missing=call"):
        assert part in str(miss.value)
    assert model.calls == 0


async def test_a_replay_may_call_for_what_is_missing_and_leaves_the_recording_as_it_is(
    identity: MakeIdentity, model: Model
) -> None:
    backend = MemoryBackend()
    store = Store(backend, "replay", missing="call")
    assert await store.once(identity(), model, text_of) == ("answer 1", False)
    assert await backend.get(identity().key) is None


async def test_finding_what_is_stored_makes_no_call(identity: MakeIdentity, model: Model) -> None:
    store = Store(MemoryBackend(), "cache")
    assert await store.find(identity()) is None
    assert model.calls == 0
    await store.once(identity(), model, text_of)
    found = await store.find(identity())
    assert found is not None
    assert found["text"] == "answer 1"


async def test_what_is_too_old_is_not_found(identity: MakeIdentity, model: Model) -> None:
    now = 1000.0
    store = Store(MemoryBackend(), "cache", ttl=60, clock=lambda: now)
    await store.once(identity(), model, text_of)
    now = 1060.0
    assert await store.find(identity()) is None


@pytest.mark.parametrize("mode", ["off", "record"])
async def test_a_mode_that_does_not_read_finds_nothing(
    identity: MakeIdentity, entry: MakeEntry, mode: Literal["off", "record"]
) -> None:
    backend = MemoryBackend()
    await backend.put(identity().key, entry("stored"))
    assert await Store(backend, mode).find(identity()) is None


async def test_in_a_store_that_cannot_be_read_nothing_is_found(identity: MakeIdentity) -> None:
    assert await Store(Broken(), "cache").find(identity()) is None


async def test_six_samples_are_six_entries(identity: MakeIdentity, model: Model) -> None:
    store = Store(MemoryBackend())
    for hit in (False, True):
        replies = [await store.once(identity(number=number), model, text_of) for number in range(6)]
        assert replies == [(f"answer {number}", hit) for number in range(1, 7)]


@pytest.mark.parametrize("mode", ["cache", "record"])
async def test_only_whole_successes_are_stored(identity: MakeIdentity, model: Model, mode: Any) -> None:
    backend = MemoryBackend()
    model.whole = False
    assert await Store(backend, mode).once(identity(), model, text_of) == ("answer 1", False)
    assert await backend.get(identity().key) is None


@pytest.mark.parametrize("mode", ["cache", "record"])
async def test_an_answer_that_can_t_be_stored_is_given_and_the_loss_is_told(
    identity: MakeIdentity, model: Model, caplog: pytest.LogCaptureFixture, mode: Any
) -> None:
    with caplog.at_level(logging.WARNING, "moa_graph.store"):
        assert await Store(Broken(), mode).once(identity(), model, text_of) == ("answer 1", False)
    assert "stage layer_1, slot a, sample 0, model sim:a is not stored: the disk is full" in caplog.text


async def test_a_recording_that_can_t_be_read_is_a_miss_that_says_why(identity: MakeIdentity, model: Model) -> None:
    with pytest.raises(StoreMiss, match=r"stage layer_1, slot a, sample 0.*the disk is gone"):
        await Store(Broken(), "replay").once(identity(), model, text_of)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("calls.sqlite", SQLiteBackend),
        ("calls.sqlite3", SQLiteBackend),
        ("calls.db", SQLiteBackend),
        ("calls.jsonl", JSONLBackend),
    ],
)
async def test_the_ending_of_a_file_s_name_says_what_it_is(
    tmp_path: Path, identity: MakeIdentity, model: Model, name: str, kind: type
) -> None:
    async with open_store(tmp_path / name, "record") as store:
        assert isinstance(store.backend, kind)
        await store.once(identity(), model, text_of)
    async with open_store(str(tmp_path / name), "replay") as store:
        assert await store.once(identity(), model, text_of) == ("answer 1", True)


async def test_a_replay_doesn_t_change_the_file(tmp_path: Path, identity: MakeIdentity, model: Model) -> None:
    path = tmp_path / "calls.jsonl"
    async with open_store(path, "record") as store:
        await store.once(identity(), model, text_of)
    before = path.read_bytes()
    path.chmod(0o400)
    async with open_store(path, "replay", missing="call") as store:
        await store.once(identity(sample=1), model, text_of)
    assert path.read_bytes() == before


def test_memory_and_stores_are_taken_as_they_are() -> None:
    store = open_store(":memory:", "record")
    assert isinstance(store.backend, MemoryBackend)
    assert open_store(store) is store


def test_off_touches_no_file(tmp_path: Path) -> None:
    assert open_store(tmp_path / "calls.sqlite", "off").mode == "off"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("where", ["calls.txt", "calls", "", "redis://localhost"])
def test_any_other_name_is_refused(where: str) -> None:
    with pytest.raises(MixtureError, match=r"must be :memory: or a file named \*\.sqlite"):
        open_store(where)


@pytest.mark.parametrize("name", ["calls.sqlite", "calls.jsonl"])
def test_a_file_that_can_t_be_used_is_refused_before_any_call(tmp_path: Path, name: str) -> None:
    with pytest.raises(MixtureError, match=r"No such file.*folder that can be written"):
        open_store(tmp_path / "nowhere" / name)
    with pytest.raises(MixtureError, match=r"No such file.*record it first"):
        open_store(tmp_path / name, "replay")
    (tmp_path / name).mkdir()
    with pytest.raises(MixtureError, match="Is a directory"):
        open_store(tmp_path / name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "replays"}, "one of off, cache, record, replay"),
        ({"mode": "replay", "missing": "skip"}, "one of call, fail"),
        ({"mode": "record", "ttl": 60}, "for mode cache"),
        ({"ttl": 0}, "more than 0"),
        ({"ttl": float("nan")}, "more than 0"),
    ],
)
def test_arguments_out_of_bounds_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(MixtureError, match=message):
        open_store(":memory:", **arguments)


async def test_an_entry_of_an_earlier_version_is_read(identity: MakeIdentity, model: Model, entry: MakeEntry) -> None:
    backend = MemoryBackend()
    call = identity(stage="layer_1", slot="a", sample=2, number=2)
    await backend.put(call.key_in_version_1, entry("recorded before"))
    assert await Store(backend, "replay").once(call, model, text_of) == ("recorded before", True)
    assert await Store(backend, "cache").once(call, model, text_of) == ("recorded before", True)
    assert await Store(backend, "record").once(call, model, text_of) == ("answer 1", False)
    assert await Store(backend, "replay").once(call, model, text_of) == ("answer 1", True)
