"""A batch from its rows to its output, on models that answer at once."""

from __future__ import annotations

import csv
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from moa_graph import create_moa
from moa_graph.batch import Summary, estimate, run
from moa_graph.batch.job import Job
from moa_graph.errors import InputError, MissingKey, MoaError
from moa_graph.graph import MoaGraph
from moa_graph.store import Backend, Entry, Store
from tests.batch.panel import read_lines, write_rows

Graph = Callable[..., MoaGraph]


def panel(writer: str = "sim:instant", **fields: Any) -> MoaGraph:
    """Two proposers and a writer."""
    stages = [{"propose": {"slots": ["sim:instant", "sim:instant"]}}, {"aggregate": {"slot": writer}}]
    return create_moa({"name": "panel", "stages": stages, **fields})


def failing(folder: Path) -> MoaGraph:
    """A mixture whose model knows no answer."""
    (folder / "recorded.jsonl").write_text('{"question": "another", "outputs": {"m": "text"}}', encoding="utf-8")
    slot = f"recorded:{folder / 'recorded.jsonl'}#m"
    return create_moa({"name": "failing", "stages": [{"aggregate": {"slot": slot}}]})


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "in.jsonl", 30)


def ids(path: Path) -> list[str]:
    return [line["id"] for line in read_lines(path)]


def test_every_id_is_in_the_output_once(rows: Path, tmp_path: Path) -> None:
    summary = run(rows, tmp_path / "out.jsonl", panel())
    assert (summary.rows, summary.answered, summary.failed, summary.left) == (30, 30, 0, 0)
    assert sorted(ids(tmp_path / "out.jsonl")) == sorted(f"row-{index}" for index in range(30))
    line = read_lines(tmp_path / "out.jsonl")[0]
    assert (line["status"], line["calls"], line["failure"], line["degraded"]) == ("answered", 3, None, [])
    assert "proposals" not in line


async def test_a_batch_runs_in_a_notebook_where_a_loop_is_running(rows: Path, tmp_path: Path) -> None:
    assert run(rows, tmp_path / "out.jsonl", panel()).answered == 30


async def test_ctrl_c_in_a_notebook_ends_the_batch_and_it_goes_on_later(rows: Path, tmp_path: Path) -> None:
    began = 0

    def press_once(summary: Any, done: Any) -> None:
        nonlocal began
        began += done is not None
        if began == 3:
            os.kill(os.getpid(), signal.SIGINT)

    slow = {"model": "sim:slow", "extra": {"simulation": {"name": "slow", "latency": {"first_token": 0.1, "sigma": 0}}}}
    graph = create_moa({"name": "slow", "models": {"slow": slow}, "stages": [{"aggregate": {"slot": "slow"}}]})
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # as a notebook's kernel has it in a cell
    try:
        with pytest.raises(KeyboardInterrupt):
            run(rows, tmp_path / "out.jsonl", graph, concurrency=1, progress=press_once)
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(ids(tmp_path / "out.jsonl")) < 10
    assert run(rows, tmp_path / "out.jsonl", graph).left == 0


def test_a_second_try_asks_nothing_again(rows: Path, tmp_path: Path) -> None:
    run(rows, tmp_path / "out.jsonl", panel(), limit=10)
    before = (tmp_path / "out.jsonl").read_bytes()
    summary = run(rows, tmp_path / "out.jsonl", panel(), limit=10)
    assert (summary.done_now, summary.answered) == (0, 10)
    assert (tmp_path / "out.jsonl").read_bytes() == before


def test_a_larger_limit_goes_on(rows: Path, tmp_path: Path) -> None:
    run(rows, tmp_path / "out.jsonl", panel(), limit=10)
    assert run(rows, tmp_path / "out.jsonl", panel()).done_now == 20
    assert len(set(ids(tmp_path / "out.jsonl"))) == len(ids(tmp_path / "out.jsonl")) == 30


def test_what_a_killed_process_wrote_half_is_written_again(rows: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    run(rows, output, panel(), limit=10)
    with output.open("ab") as file:
        file.write(b'{"id": "row-1')
    run(rows, output, panel())
    assert len(ids(output)) == 30


def test_an_output_that_was_shortened_is_written_anew(rows: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    run(rows, output, panel())
    output.write_text("", encoding="utf-8")
    run(rows, output, panel())
    assert len(ids(output)) == 30


def test_ordered_output_stands_in_the_order_of_the_input(rows: Path, tmp_path: Path) -> None:
    run(rows, tmp_path / "out.jsonl", panel(), ordered=True)
    assert ids(tmp_path / "out.jsonl") == [f"row-{index}" for index in range(30)]


def test_proposals_are_written_where_they_are_asked_for(rows: Path, tmp_path: Path) -> None:
    run(rows, tmp_path / "out.jsonl", panel(), proposals=True, limit=1)
    (line,) = read_lines(tmp_path / "out.jsonl")
    assert [one["slot"] for one in line["proposals"]] == ["instant", "instant-2", "instant"]
    assert all(one["text"] for one in line["proposals"])


def test_csv_and_parquet_hold_the_same_rows(rows: Path, tmp_path: Path) -> None:
    run(rows, tmp_path / "out.csv", panel())
    run(rows, tmp_path / "out.parquet", panel())
    with (tmp_path / "out.csv").open(newline="") as file:
        written = {row["id"]: row["answer"] for row in csv.DictReader(file)}
    columns = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert written == {row["id"]: row["answer"] for row in columns}
    assert len(written) == 30


def test_later_turns_are_asked_with_the_answer_before_them(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    turns = ["What is 2 + 3?", "What is 4 + 5?"]
    path.write_text(json.dumps({"question_id": 81, "turns": turns}), encoding="utf-8")
    run(path, tmp_path / "out.jsonl", panel())
    (line,) = read_lines(tmp_path / "out.jsonl")
    assert [answer.splitlines()[-1] for answer in line["answers"]] == ["Answer: 5", "Answer: 9"]


def test_equal_rows_without_an_id_are_asked_once(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('{"prompt": "What is 1 + 1?"}\n' * 3, encoding="utf-8")
    summary = run(path, tmp_path / "out.jsonl", panel())
    assert (summary.answered, summary.repeated, summary.left, summary.is_complete) == (1, 2, 0, True)
    assert run(path, tmp_path / "out.jsonl", panel()).repeated == 2


def test_bad_rows_are_told_once_and_hold_up_nothing(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    bad = ['{"id": "a", "prompt": "What is 1 + 1?"}', "{", '{"id": "a", "prompt": "other"}', '{"id": "b"}']
    path.write_text("\n".join(bad), encoding="utf-8")
    for _ in range(2):
        summary = run(path, tmp_path / "out.jsonl", panel())
        assert (summary.answered, summary.failed, summary.left) == (1, 3, 0)
    told = {
        line["id"] or line["failure"]["message"].partition(":")[2][0] for line in read_lines(tmp_path / "out.jsonl")
    }
    assert told == {"a", "b", "2", "3"}
    assert len(ids(tmp_path / "out.jsonl")) == 4


def test_another_mixture_or_input_is_refused_with_what_differs(rows: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    run(rows, output, panel(), limit=1)
    with pytest.raises(InputError, match="another mixture"):
        run(rows, output, panel(min_live=2), limit=1)
    write_rows(rows, 31)
    with pytest.raises(InputError, match="another input"):
        run(rows, output, panel())


def test_a_file_that_is_no_batchs_output_is_never_written_over(rows: Path, tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="without a journal beside it"):
        run(rows, tmp_path / "out.jsonl", panel())


def test_an_input_is_no_output(rows: Path) -> None:
    with pytest.raises(InputError, match="is also an input"):
        run(rows, rows, panel())


def test_a_missing_key_ends_the_batch_at_once(rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    graph = create_moa({"name": "keyless", "stages": [{"aggregate": {"slot": "openai:gpt-5.4-mini"}}]})
    with pytest.raises(MissingKey):
        run(rows, tmp_path / "out.jsonl", graph)


def test_rows_that_all_fail_stop_the_batch(tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "in.jsonl", 100)
    summary = run(rows, tmp_path / "out.jsonl", failing(tmp_path), concurrency=4)
    assert 20 <= summary.failed < 30
    assert summary.stopped is not None
    assert "have all failed" in summary.stopped


def test_failed_rows_are_asked_again_where_that_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('{"id": "x", "prompt": "What is 1 + 1?", "options": {"quorum": 99}}\n{"id": "y", "prompt": "?"}')
    output = tmp_path / "out.jsonl"
    assert run(path, output, panel()).failed == 1
    summary = run(path, output, panel())
    assert (summary.failed, summary.done_now) == (1, 0)
    summary = run(path, output, panel(), again=True)
    assert (summary.failed, summary.done_now) == (1, 1)
    assert sorted(ids(output)) == ["x", "y"]


class FullDisk(Backend):
    """Entries of which only the first few can be written."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.entries: dict[str, Entry] = {}

    async def get(self, key: str) -> Entry | None:
        return self.entries.get(key)

    async def put(self, key: str, entry: Entry) -> None:
        if len(self.entries) >= self.room:
            raise OSError("disk is full")
        self.entries[key] = entry

    async def aclose(self) -> None: ...

    def close(self) -> None: ...


def test_a_full_disk_stops_the_batch_before_more_is_paid_and_it_goes_on_when_there_is_room(
    rows: Path, tmp_path: Path
) -> None:
    disk = FullDisk(room=8)
    store = Store(disk)
    with pytest.raises(MoaError, match=r"answers can't be stored: disk is full.*run the same command again"):
        run(rows, tmp_path / "out.jsonl", panel(), store=store, concurrency=2)
    assert len(ids(tmp_path / "out.jsonl")) <= 5
    disk.room = 1000
    summary = run(rows, tmp_path / "out.jsonl", panel(), store=store, concurrency=2)
    assert (summary.answered, summary.left) == (30, 0)
    assert sorted(ids(tmp_path / "out.jsonl")) == sorted(f"row-{index}" for index in range(30))


def test_a_deadline_leaves_rows_for_the_next_try(tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "in.jsonl", 1000)
    summary = run(rows, tmp_path / "out.jsonl", panel(), deadline=0.3)
    assert summary.stopped == "the deadline of 0.3 s was reached"
    assert summary.left == 1000 - summary.answered > 0


def test_dollars_that_will_not_do_stop_the_batch_after_the_first_rows(tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "in.jsonl", 120)
    priced = {"model": "sim:instant", "price": {"input": 1.0, "output": 2.0}, "max_tokens": 100}
    graph = create_moa({"name": "priced", "models": {"m": priced}, "stages": [{"aggregate": {"slot": "m"}}]})
    all_of_it = run(rows, tmp_path / "all.jsonl", graph).usd
    summary = run(rows, tmp_path / "half.jsonl", graph, usd=all_of_it / 2, store=":memory:")
    assert summary.answered == 20
    assert summary.stopped is not None
    assert "--until-spent" in summary.stopped
    assert run(rows, tmp_path / "half.jsonl", graph, usd=all_of_it * 3, store=":memory:").answered == 120


def test_an_estimate_asks_nothing(rows: Path, tmp_path: Path) -> None:
    priced = {"model": "openai:gpt-5.4-mini", "price": {"input": 1.0, "output": 2.0}, "max_tokens": 100}
    stages = [{"propose": {"slots": ["m", "m"]}}, {"aggregate": {"slot": "m"}}]
    graph = create_moa({"name": "priced", "models": {"m": priced}, "stages": stages})
    found = estimate(Job([rows], tmp_path / "out.jsonl", graph))
    assert (found.rows, found.bad, found.calls) == (30, (), 90)
    assert found.usd is not None
    assert found.usd >= 90 * 100 * 2 / 1e6
    assert not (tmp_path / "out.jsonl").exists()


def test_progress_is_told_of_every_row(rows: Path, tmp_path: Path) -> None:
    told: list[str] = []

    def progress(summary: Summary, done: Any) -> None:
        if done is not None:
            told.append(done.result["id"])

    run(rows, tmp_path / "out.jsonl", panel(), progress=progress)
    assert sorted(told) == sorted(f"row-{index}" for index in range(30))
