"""One content-addressed store of model calls; cache, record and replay are three ways to use it.

A call's key is a hash of everything that its answer depends on, an entry is its answer as plain JSON, a
backend keeps entries by key, and :class:`Store` decides whether a backend or the model answers.
"""

from moa_graph.store.backend import Backend
from moa_graph.store.entry import Entry, entry_of, message_of
from moa_graph.store.jsonl import JSONLBackend
from moa_graph.store.key import CallIdentity, message_record
from moa_graph.store.memory import MemoryBackend
from moa_graph.store.modes import Missing, Mode, Store
from moa_graph.store.opening import open_store
from moa_graph.store.sqlite import SQLiteBackend
from moa_graph.usage import Usage

__all__ = [
    "Backend",
    "CallIdentity",
    "Entry",
    "JSONLBackend",
    "MemoryBackend",
    "Missing",
    "Mode",
    "SQLiteBackend",
    "Store",
    "Usage",
    "entry_of",
    "message_of",
    "message_record",
    "open_store",
]
