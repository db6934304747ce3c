"""A store in one text file, an entry a line: for recordings that people read, compare and commit."""

from __future__ import annotations

import json
import logging
import os
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from typing_extensions import override

from moa_graph.store.backend import Backend, file_lock
from moa_graph.store.entry import Entry
from moa_graph.store.worker import Worker

__all__ = ["JSONLBackend"]

_log = logging.getLogger(__name__)


class JSONLBackend(Backend):
    """Keeps entries as lines ``{"key": ..., "entry": ...}``, the last of a key counting.

    Processes that write at once take turns by a lock on the file ``PATH.lock``. A line that a kill left
    unfinished is passed over, and the next entry starts on a new line.

    Args:
        path: The file; made by the first entry.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: dict[str, tuple[int, int]] = {}
        self._read_to = 0
        self._worker = Worker(f"store {path}", self)

    @override
    async def get(self, key: str) -> Entry | None:
        return await self._worker.run(partial(self._get, key))

    @override
    async def put(self, key: str, entry: Entry) -> None:
        line = json.dumps({"key": key, "entry": entry}) + "\n"
        await self._worker.run(partial(self._append, line.encode("ascii")))

    @override
    async def aclose(self) -> None:
        await self._worker.aclose()

    @override
    def close(self) -> None:
        self._worker.close()

    def let_go(self) -> None:
        """Nothing is open between two pieces of work."""

    def disown(self) -> None:
        """Starts from what the file holds."""
        self._lines, self._read_to = {}, 0

    def _get(self, key: str) -> Entry | None:
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return None
        with file:
            self._read_new_lines(file)
            if key not in self._lines:
                return None
            start, length = self._lines[key]
            file.seek(start)
            entry: Entry = json.loads(file.read(length))["entry"]
            return entry

    def _read_new_lines(self, file: BinaryIO) -> None:
        """Notes where the entries are that this process or others appended since the last time."""
        if os.fstat(file.fileno()).st_size < self._read_to:
            self._lines.clear()
            self._read_to = 0
        file.seek(self._read_to)
        for line in file:
            key = _key_of(line)
            if key is not None:
                self._lines[key] = (self._read_to, len(line))
            elif not line.endswith(b"\n"):
                break
            elif line.strip():
                _log.warning("%s: no entry in the line at byte %d, passed over", self._path, self._read_to)
            self._read_to += len(line)

    def _append(self, line: bytes) -> None:
        with file_lock(self._path), self._path.open("a+b") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write(line)


def _key_of(line: bytes) -> str | None:
    """The key of the entry in ``line``; None if it is blank, unfinished or something else."""
    try:
        record: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not isinstance(record.get("entry"), dict):
        return None
    key = record.get("key")
    return key if isinstance(key, str) else None
