"""This package's own graph on models in the same process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.client import Ask
from benchmarks.contenders.bare_graph import asking
from benchmarks.contenders.chat_models import InstantChatModel
from benchmarks.contenders.shape import LAYERS, PROPOSERS
from moa_graph import create_moa


@asynccontextmanager
async def contender(url: str) -> AsyncIterator[Ask]:
    model = InstantChatModel()
    yield asking(create_moa(proposers=[model] * PROPOSERS, aggregator=model, layers=LAYERS + 1).compile())
