"""Where a store is: in memory, or in a file of a kind that its name tells."""

from __future__ import annotations

import os
from pathlib import Path

from moa_graph.errors import MixtureError
from moa_graph.store.backend import Backend
from moa_graph.store.jsonl import JSONLBackend
from moa_graph.store.memory import MemoryBackend
from moa_graph.store.modes import Missing, Mode, Store, check_mode
from moa_graph.store.sqlite import SQLiteBackend

__all__ = ["open_store"]

_SUFFIXES = (".sqlite", ".sqlite3", ".db", ".jsonl")


def open_store(
    where: str | os.PathLike[str] | Store,
    mode: Mode = "cache",
    *,
    ttl: float | None = None,
    missing: Missing = "fail",
) -> Store:
    """The store at ``where``.

    Args:
        where: ``":memory:"``, a SQLite file (``.sqlite``, ``.sqlite3``, ``.db``) or a text file (``.jsonl``).
            A store is given back as it is, with the mode that it was made with.
        mode: What it is used for; with ``mode``, ``ttl`` and ``missing`` see :class:`Store`.
        ttl: Age in seconds from which a cached entry counts as missing; default: never.
        missing: What a replay does about a call that was never recorded.

    Raises:
        MixtureError: The name ends otherwise, the file can't be written, or there is nothing to replay.
    """
    if isinstance(where, Store):
        return where
    check_mode(mode, ttl, missing)
    return Store(_open_backend(where, mode), mode, ttl=ttl, missing=missing)


def _open_backend(where: str | os.PathLike[str], mode: Mode) -> Backend:
    if where == ":memory:":
        return MemoryBackend()
    path = Path(where).expanduser()
    if path.suffix not in _SUFFIXES:
        raise MixtureError(f"store: {str(where)!r} must be :memory: or a file named *{', *'.join(_SUFFIXES)}")
    if mode == "off":
        return MemoryBackend()
    try:
        path.open("rb" if mode == "replay" else "ab").close()
    except OSError as error:
        what_to_do = "record it first" if mode == "replay" else "name a file in a folder that can be written"
        raise MixtureError(f"store {path}: {error.strerror}; {what_to_do}") from error
    return JSONLBackend(path) if path.suffix == ".jsonl" else SQLiteBackend(path, read_only=mode == "replay")
