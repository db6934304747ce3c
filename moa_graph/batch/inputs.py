"""Rows of JSONL, CSV and Parquet files, one at a time, so memory doesn't grow with the input."""

from __future__ import annotations

import csv
import glob
import gzip
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from moa_graph.batch.rows import BadRow, Row, id_of, row_of
from moa_graph.errors import InputError

__all__ = ["count_rows", "fingerprint", "input_files", "read_rows"]

ENDINGS = (".jsonl", ".ndjson", ".json", ".csv", ".parquet")

PARQUET_ROWS_AT_ONCE = 512

LONGEST_CELL = 100_000_000
"""Characters of one CSV cell, where Python's own limit is 131,072."""


def input_files(named: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """The files that a person named: files, folders (what is in them, by name) and patterns such as ``*.jsonl``.

    Raises:
        InputError: One isn't there, or is of no kind that can be read.
    """
    files: list[Path] = []
    for name in named:
        path = Path(name).expanduser()
        if path.is_dir():
            found = sorted(child for child in path.iterdir() if _ending(child) in ENDINGS)
        elif path.exists():
            found = [path]
        else:
            found = sorted(Path(match) for match in glob.glob(str(path), recursive=True))  # noqa: PTH207 (absolute too)
        if not found:
            why = f"no file in it ends in {', '.join(ENDINGS)}" if path.is_dir() else "there is no such file"
            raise InputError(f"{name}: {why}")
        files += found
    for path in files:
        if _ending(path) not in ENDINGS:
            raise InputError(
                f"{path}: the input must end in {', '.join(ENDINGS)} (optionally followed by .gz, except for Parquet)"
            )
    return files


def fingerprint(files: Sequence[Path]) -> str:
    """A hash of the files' contents."""
    whole = hashlib.sha256()
    for path in files:
        with path.open("rb") as opened:
            whole.update(hashlib.file_digest(opened, "sha256").digest())
    return whole.hexdigest()


def read_rows(files: Sequence[Path]) -> Iterator[Row | BadRow]:
    """The rows of all files in order; an unusable one comes as :class:`BadRow`."""
    place = 0
    for path in files:
        for where, data in _entries_or_none(path):
            if isinstance(data, _Unreadable):
                yield BadRow(where, data.reason, place)
            else:
                try:
                    yield row_of(data, place, where)
                except ValueError as error:
                    yield BadRow(where, str(error), place, _readable_id(data))
            place += 1


def _entries_or_none(path: Path) -> Iterator[tuple[str, Any]]:
    """A file's rows; for an empty file, a :class:`BadRow` that says so."""
    entries = _entries(path)
    first = next(entries, (str(path), _Unreadable("the file has no rows")))
    yield first
    yield from entries


def _readable_id(data: Any) -> str | None:
    try:
        return id_of(data)
    except ValueError:
        return None


def count_rows(files: Sequence[Path]) -> int:
    """How many rows the files have, bad ones included."""
    return sum(_rows_in(path) for path in files)


def _rows_in(path: Path) -> int:
    if _ending(path) in (".jsonl", ".ndjson"):
        with _open_text(path) as lines:
            return max(sum(not line.isspace() for line in lines), 1)
    return sum(1 for _ in _entries_or_none(path))


class _Unreadable:
    """Why a row couldn't be read."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


def _ending(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).suffix.lower()


def _entries(path: Path) -> Iterator[tuple[str, Any]]:
    readers = {".csv": _csv, ".parquet": _parquet}
    return readers.get(_ending(path), _json_lines)(path)


def _open_text(path: Path, newline: str | None = None) -> IO[str]:
    opened: Any = gzip.open if path.name.endswith(".gz") else open
    text: IO[str] = opened(path, "rt", encoding="utf-8-sig", errors="replace", newline=newline)
    return text


def _json_lines(path: Path) -> Iterator[tuple[str, Any]]:
    if _ending(path) == ".json":
        yield from _json_list(path)
        return
    with _open_text(path) as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield f"{path}:{number}", _parsed(line)


def _json_list(path: Path) -> Iterator[tuple[str, Any]]:
    with _open_text(path) as opened:
        whole = _parsed(opened.read())
    if isinstance(whole, _Unreadable):
        yield str(path), whole
    elif isinstance(whole, list):
        yield from ((f"{path}, entry {number}", entry) for number, entry in enumerate(whole, 1))
    else:
        yield str(path), whole


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        return _Unreadable(f"not valid JSON: {error}")


def _csv(path: Path) -> Iterator[tuple[str, Any]]:
    csv.field_size_limit(min(LONGEST_CELL, sys.maxsize))
    with _open_text(path, newline="") as opened:
        reader = csv.DictReader(opened)
        try:
            for row in reader:
                where = f"{path}:{reader.line_num}"
                if None in row:
                    yield where, _Unreadable("the line has more cells than the header")
                else:
                    yield where, {name: value for name, value in row.items() if value not in (None, "")}
        except csv.Error as error:
            yield f"{path}:{reader.line_num}", _Unreadable(f"not valid CSV: {error}")


def _parquet(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError(f"{path}: Parquet needs pyarrow: pip install 'moa-graph[batch]'") from None
    try:
        number = 0
        with pyarrow.parquet.ParquetFile(path) as file:
            for part in file.iter_batches(batch_size=PARQUET_ROWS_AT_ONCE):
                for row in part.to_pylist():
                    number += 1
                    yield f"{path}, row {number}", {name: value for name, value in row.items() if value is not None}
    except (pyarrow.ArrowException, OSError) as error:
        yield str(path), _Unreadable(f"not valid Parquet: {error}")
