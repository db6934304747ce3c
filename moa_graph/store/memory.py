"""A store that ends with its process."""

from __future__ import annotations

import json
from typing import cast

from typing_extensions import override

from moa_graph.store.backend import Backend
from moa_graph.store.entry import Entry

__all__ = ["MemoryBackend"]


class MemoryBackend(Backend):
    """Keeps entries in a dict, as text, so that nobody can change a stored entry by changing their own."""

    def __init__(self) -> None:
        self._entries: dict[str, str] = {}

    @override
    async def get(self, key: str) -> Entry | None:
        text = self._entries.get(key)
        return None if text is None else cast(Entry, json.loads(text))

    @override
    async def put(self, key: str, entry: Entry) -> None:
        self._entries[key] = json.dumps(entry)

    @override
    async def aclose(self) -> None:
        """Nothing to let go of."""

    @override
    def close(self) -> None:
        """Nothing to let go of."""
