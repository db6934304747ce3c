"""Mixtures whose models are the simulator's, as the figures ask them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.contenders.mixture import model_at
from moa_graph import create_moa

__all__ = ["mixture", "question", "seconds_of"]


def mixture(
    url: str,
    proposers: Sequence[str],
    aggregator: str,
    *,
    stages: int = 1,
    propose: Mapping[str, Any] | None = None,
    aggregate: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Any:
    """The compiled graph of ``stages`` times the proposers, and the aggregator.

    Args:
        url: The simulator's address.
        proposers: Models of the simulator.
        aggregator: The one that writes.
        stages: How often the proposers are asked, one layer after another.
        propose: Further fields of the proposing stages.
        aggregate: Further fields of the last stage.
        settings: Further settings of every model.
    """
    models = {name: model_at(url, name, **settings) for name in {*proposers, aggregator}}
    proposing = {"propose": {"slots": list(proposers), **(propose or {})}}
    closing = {"aggregate": {"slot": aggregator, **(aggregate or {})}}
    return create_moa({"name": "benchmark", "models": models, "stages": [proposing] * stages + [closing]}).compile()


def question(number: int) -> dict[str, Any]:
    """A graph's input."""
    return {"messages": [{"role": "user", "content": f"How should team number {number} plan its releases?"}]}


async def seconds_of(graph: Any, number: int) -> tuple[float, dict[str, Any]]:
    """How long one query took, and the state that it ended with."""
    began = time.perf_counter()
    state: dict[str, Any] = await graph.ainvoke(question(number), output_keys=["messages", "ledger"])
    return time.perf_counter() - began, state
