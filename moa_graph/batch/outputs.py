"""The output's file, written from the journal: line by line while the batch runs, or whole at its end."""

from __future__ import annotations

import csv
import io
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from moa_graph.batch.formats import FORMATS
from moa_graph.batch.journal import Journal
from moa_graph.errors import InputError

__all__ = ["OutputFile", "open_output"]

PARQUET_ROWS_AT_ONCE = 512

CSV_COLUMNS = ("id", "status", "answer", "usd", "seconds", "degraded", "failure", "usage", "proposals")


class OutputFile(ABC):
    """Where finished rows go.

    Args:
        path: The file.
        journal: What is finished.
        format: Name of the format.
        mixture: Name of the mixture.
        ordered: Whether rows are written in the input's order.
    """

    def __init__(self, path: Path, journal: Journal, format: str, mixture: str, *, ordered: bool) -> None:
        self.path = path
        self._journal = journal
        self._format = FORMATS[format]
        self._mixture = mixture
        self._ordered = ordered

    @abstractmethod
    def update(self) -> None:
        """Writes what has finished since the last time, where the file can grow."""

    @abstractmethod
    def complete(self) -> None:
        """Writes all that is finished."""

    def _lines(self) -> Iterator[dict[str, Any]]:
        """Every line of the output."""
        for finished in self._journal.finished(ordered=self._ordered):
            line = self._format(finished.result, self._mixture)
            if line is not None:
                yield line


class GrowingLines(OutputFile):
    """JSON lines in the order in which rows finish.

    The journal knows how far the file is written. Anything beyond that, written by a killed process, is cut off.
    """

    def update(self) -> None:
        """Appends what has finished since the last time."""
        number, length = self._journal.written()
        with self.path.open("r+b" if self.path.exists() else "w+b") as file:
            file.seek(0, os.SEEK_END)
            if file.tell() < length:  # somebody has changed it: the journal holds everything
                number, length = 0, 0
            file.truncate(length)
            file.seek(length)
            last = number
            for finished in self._journal.finished(after=number):
                last = finished.number
                line = self._format(finished.result, self._mixture)
                if line is not None:
                    file.write(_json_line(line))
            file.flush()
            if last != number:
                self._journal.note_written(last, file.tell())

    def complete(self) -> None:
        """As :meth:`update`."""
        self.update()


class WholeFile(OutputFile):
    """A file that is written at the end, to a temporary name, and then renamed."""

    def update(self) -> None:
        """It can't grow."""

    def complete(self) -> None:
        """Writes the whole file."""
        beside = self.path.with_name(f".{self.path.name}.part")
        writers = {".csv": _write_csv, ".parquet": _write_parquet, ".json": _write_json}
        with beside.open("wb") as file:
            writers.get(self.path.suffix.lower(), _write_lines)(file, self._lines())
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)


def open_output(path: Path, journal: Journal, format: str, mixture: str, *, ordered: bool) -> OutputFile:
    """The output that fits the file's ending.

    Raises:
        InputError: The ending or the format is unknown, or the folder can't be written.
    """
    if format not in FORMATS:
        raise InputError(f"--format {format}: there is no such format; choose from {', '.join(FORMATS)}")
    grows = path.suffix.lower() in (".jsonl", ".ndjson") and not ordered
    return (GrowingLines if grows else WholeFile)(path, journal, format, mixture, ordered=ordered)


def _json_line(line: dict[str, Any]) -> bytes:
    return json.dumps(line, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def _write_lines(file: BinaryIO, lines: Iterable[dict[str, Any]]) -> None:
    file.writelines(map(_json_line, lines))


def _write_json(file: BinaryIO, lines: Iterable[dict[str, Any]]) -> None:
    """One JSON list, as AlpacaEval reads it."""
    before = b"[\n"
    for line in lines:
        file.write(before + _json_line(line).rstrip(b"\n"))
        before = b",\n"
    file.write(b"[]\n" if before == b"[\n" else b"\n]\n")


def _flat(line: dict[str, Any]) -> dict[str, Any]:
    """A line with nested values as JSON text, for files with columns."""
    return {
        name: json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
        for name, value in line.items()
    }


def _write_csv(file: BinaryIO, lines: Iterable[dict[str, Any]]) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="", write_through=True)
    writer: csv.DictWriter[str] | None = None
    for line in lines:
        flat = _flat(line)
        if writer is None:
            writer = csv.DictWriter(text, _columns(flat), extrasaction="ignore")
            writer.writeheader()
        writer.writerow(flat)
    text.flush()
    text.detach()


def _columns(line: dict[str, Any]) -> Sequence[str]:
    return CSV_COLUMNS if "status" in line else tuple(line)


def _write_parquet(file: BinaryIO, lines: Iterable[dict[str, Any]]) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError("writing Parquet needs pyarrow: pip install 'moa-graph[batch]'") from None
    numbers = {"usd": pyarrow.float64(), "seconds": pyarrow.float64()}
    schema = pyarrow.schema([(name, numbers.get(name, pyarrow.string())) for name in CSV_COLUMNS])
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        part: list[dict[str, Any]] = []
        for line in lines:
            flat = _flat(line)
            part.append({name: flat.get(name) for name in CSV_COLUMNS})
            if len(part) == PARQUET_ROWS_AT_ONCE:
                writer.write_table(pyarrow.Table.from_pylist(part, schema))
                part = []
        writer.write_table(pyarrow.Table.from_pylist(part, schema))
