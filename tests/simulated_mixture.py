"""A mixture whose models are answered by a simulator over HTTP, which counts who was asked how often."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from moa_graph.models.simulation import Profile
from moa_graph.server.simulator import RunningSimulator

__all__ = ["PROPOSERS", "WRITER", "asked", "at_once", "mixture_over_http"]

PROPOSERS = ("left", "right")
WRITER = "writer"


def at_once(names: Iterable[str] = (*PROPOSERS, WRITER)) -> dict[str, Profile]:
    """Profiles of models that answer without delay."""
    latency = {"first_token": 0, "sigma": 0, "tokens_a_second": None}
    return {name: Profile.model_validate({"name": name, "latency": latency}) for name in names}


def mixture_over_http(base_url: str, name: str = "over-http", **fields: Any) -> dict[str, Any]:
    """Two proposers and the model that writes, at prices of 1 and 2 dollars a million tokens."""
    price = {"input": 1.0, "output": 2.0}
    models = {one: {"model": f"openai:{one}", "base_url": base_url, "price": price} for one in (*PROPOSERS, WRITER)}
    stages = [{"propose": {"slots": list(PROPOSERS)}}, {"aggregate": {"slot": WRITER}}]
    return {"name": name, "models": models, "stages": stages, **fields}


def asked(simulator: RunningSimulator) -> Mapping[str, int]:
    """How often each model was asked."""
    return {name: counts["requests"] for name, counts in simulator.stats()["models"].items()}
