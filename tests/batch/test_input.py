"""What is read as a row, and what is told of what can't be."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from moa_graph.batch.inputs import count_rows, input_files, read_rows
from moa_graph.batch.rows import BadRow, Row, row_of
from moa_graph.errors import InputError


def rows_in(path: Path) -> list[Row | BadRow]:
    found = list(read_rows([path]))
    assert count_rows([path]) == len(found)
    return found


def only_row(path: Path) -> Row:
    (row,) = rows_in(path)
    assert isinstance(row, Row)
    return row


def reasons(path: Path) -> list[tuple[str, str]]:
    return [(Path(row.where).name, row.reason) for row in rows_in(path) if isinstance(row, BadRow)]


@pytest.mark.parametrize("name", ["prompt", "question", "instruction", "text"])
def test_a_prompt_has_the_names_that_data_sets_give_it(name: str) -> None:
    assert row_of({name: "Why?"}, 0).messages == ({"role": "user", "content": "Why?"},)


def test_a_row_without_an_id_is_told_by_its_content() -> None:
    one, same, other = row_of({"prompt": "a"}, 0), row_of({"prompt": "a"}, 1), row_of({"prompt": "b"}, 2)
    assert one.id == same.id != other.id
    assert not one.brought_id


def test_a_line_of_openais_batch_format_is_a_row() -> None:
    body = {"model": "gpt", "messages": [{"role": "user", "content": "hi"}]}
    row = row_of({"custom_id": "c-1", "method": "POST", "url": "/v1/chat/completions", "body": body}, 0)
    assert (row.id, row.messages) == ("c-1", ({"role": "user", "content": "hi"},))


def test_a_line_of_openais_batch_format_keeps_what_it_asks_of_the_writer() -> None:
    body = {"messages": [{"role": "user", "content": "hi"}], "temperature": 0, "user": "me", "moa": {"quorum": 2}}
    row = row_of({"custom_id": "c-1", "body": body}, 0)
    assert (row.asked, row.options) == ({"temperature": 0}, {"quorum": 2})


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ([1], "a row is an object with prompt or messages, not list"),
        ({"id": "a"}, "neither prompt nor messages is given"),
        ({"prompt": " "}, "prompt must be non-empty text"),
        ({"prompt": 5}, "prompt must be non-empty text"),
        ({"messages": []}, "messages must be a non-empty list of messages"),
        ({"messages": [{"content": "hi"}]}, "needs a role and content"),
        ({"messages": [{"role": "wizard", "content": "hi"}]}, "messages: "),
        ({"prompt": "hi", "id": [1]}, "id must be text or a whole number"),
        ({"prompt": "hi", "options": 3}, "options must be an object"),
        ({"custom_id": "a", "url": "/v1/embeddings", "body": {}}, "only /v1/chat/completions can be answered"),
        ({"custom_id": "a", "body": {"messages": [], "n": 2}}, "leave out stream and n"),
    ],
)
def test_what_cannot_be_asked_says_why(data: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        row_of(data, 0)


def test_a_broken_line_is_told_with_its_number_and_the_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('{"prompt": "a"}\n\n{"prompt": \n{"id": "x"}\n{"prompt": "b"}\n', encoding="utf-8")
    assert [name for name, _ in reasons(path)] == ["in.jsonl:3", "in.jsonl:4"]
    assert [row.place for row in rows_in(path) if isinstance(row, Row)] == [0, 3]


def test_an_empty_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.touch()
    assert reasons(path) == [("in.jsonl", "the file has no rows")]


def test_csv_holds_prompts_or_messages_as_json(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text('id,prompt,messages\n1,"two\nlines",\n2,,"[{""role"": ""user"", ""content"": ""hi""}]"\n', "utf-8")
    first, second = rows_in(path)
    assert isinstance(first, Row)
    assert isinstance(second, Row)
    assert first.messages[0]["content"] == "two\nlines"
    assert second.messages == ({"role": "user", "content": "hi"},)


def test_a_line_of_csv_with_too_many_cells_is_told(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("id,prompt\n1,a\n2,b,c\n", encoding="utf-8")
    assert reasons(path) == [("in.csv:3", "the line has more cells than the header")]


def test_parquet_is_read_row_by_row(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"id": [1], "prompt": ["hi"], "source": ["web"]}), path)
    row = only_row(path)
    assert (row.id, row.messages[0]["content"], row.source["source"]) == ("1", "hi", "web")


def test_parquet_of_other_columns_is_told_row_by_row(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"height": [1.0, 2.0]}), path)
    assert reasons(path) == [
        ("in.parquet, row 1", "neither prompt nor messages is given"),
        ("in.parquet, row 2", "neither prompt nor messages is given"),
    ]


def test_a_file_that_is_no_parquet_is_told(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    path.write_text("no", encoding="utf-8")
    ((_, reason),) = reasons(path)
    assert reason.startswith("not valid Parquet")


def test_compressed_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write(json.dumps({"prompt": "hi"}))
    assert only_row(path).messages[0]["content"] == "hi"


def test_folders_and_patterns_are_read_by_name(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl", "notes.txt"):
        (tmp_path / name).write_text('{"prompt": "hi"}', encoding="utf-8")
    names = [path.name for path in input_files([tmp_path])]
    assert names == ["a.jsonl", "b.jsonl"]
    assert [path.name for path in input_files([str(tmp_path / "*.jsonl")])] == names


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        input_files([tmp_path / "no.jsonl"])
    with pytest.raises(InputError, match=r"no file in it ends in \.jsonl"):
        input_files([tmp_path])


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in.txt").touch()
    with pytest.raises(InputError, match="must end in"):
        input_files([tmp_path / "in.txt"])
