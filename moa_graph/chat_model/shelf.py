"""Things kept in memory for a while, within a bound."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

__all__ = ["Shelf"]

MOST_BYTES = 64_000_000
LONGEST = 3600.0
"""Seconds without use after which an entry is dropped."""


class Shelf:
    """Bytes by name; the least recently used go first. Threads may share it.

    Args:
        most_bytes: Bytes that are kept at once.
        clock: Seconds that pass.
    """

    def __init__(self, most_bytes: int = MOST_BYTES, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_bytes = most_bytes
        self._clock = clock
        self._size = 0
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._lock = Lock()

    def put(self, name: str, content: bytes) -> None:
        """Keeps ``content`` in place of what had this name."""
        with self._lock:
            self._drop(name)
            self._kept[name] = (self._clock(), content)
            self._size += len(content)
            while self._kept and (self._size > self._most_bytes or self._is_old(next(iter(self._kept)))):
                self._drop(next(iter(self._kept)))

    def get(self, name: str) -> bytes | None:
        """What has this name; None where it is no longer there."""
        with self._lock:
            if name not in self._kept or self._is_old(name):
                return None
            content = self._kept[name][1]
            self._kept[name] = (self._clock(), content)
            self._kept.move_to_end(name)
            return content

    def _is_old(self, name: str) -> bool:
        return self._clock() - self._kept[name][0] > LONGEST

    def _drop(self, name: str) -> None:
        if name in self._kept:
            self._size -= len(self._kept.pop(name)[1])
