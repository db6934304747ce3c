"""Calls and entries as the tests of the store use them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from moa_graph.store import CallIdentity, Entry, entry_of


@pytest.fixture
def entry() -> Callable[..., Entry]:
    def make(text: str = "An answer.", created: float = 1000.0) -> Entry:
        usage: Any = {"input": 3, "output": 2, "cached": 0}
        return entry_of(AIMessage(text), model="sim:a", usage=usage, created=created)

    return make


@pytest.fixture
def identity() -> Callable[..., CallIdentity]:
    def make(**changes: Any) -> CallIdentity:
        fields: dict[str, Any] = {
            "model": "sim:a",
            "stage": "layer_1",
            "slot": "a",
            "messages": [{"role": "human", "content": "Hello"}],
            "parameters": {"temperature": 0.7, "max_tokens": 512},
        }
        return CallIdentity(**{**fields, **changes})

    return make
