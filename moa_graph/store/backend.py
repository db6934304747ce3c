"""What keeps entries, and the lock that those in files share among processes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from moa_graph.store.entry import Entry

if TYPE_CHECKING:
    from filelock import FileLock

__all__ = ["PATIENCE_SECONDS", "Backend", "file_lock"]

PATIENCE_SECONDS = 30.0
"""How long one process waits for another's write, before it gives up with OSError."""


class Backend(Protocol):
    """Keeps entries by key. It belongs to no event loop: several may use it, at once or one after another."""

    async def get(self, key: str) -> Entry | None:
        """The entry last put under ``key``, or None. Raises OSError if the storage can't be read."""

    async def put(self, key: str, entry: Entry) -> None:
        """Keeps ``entry`` in place of an earlier one. Raises OSError if the storage can't be written.

        Once this returns, the entry survives the end of the process, however it ends.
        """

    async def aclose(self) -> None:
        """Lets go of files and threads, after the work that was asked for before. May be called twice."""

    def close(self) -> None:
        """As :meth:`aclose`, where there is no event loop: it begins to, and waits for nothing."""


def file_lock(path: Path) -> FileLock:
    """The lock that processes take to change the file at ``path``; a killed process lets go of it."""
    from filelock import FileLock  # stores in memory need none

    return FileLock(f"{path}.lock", timeout=PATIENCE_SECONDS, poll_interval=0.005)
