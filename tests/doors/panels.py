"""The mixtures that the doors in these tests serve."""

from __future__ import annotations

from typing import Any

from moa_graph.mixture import Mixture
from moa_graph.server.openai.mixtures import ServedMixtures, served_mixtures

__all__ = ["PRICE", "panel", "served_panels"]

PRICE = {"input": 1.0, "output": 2.0}


def panel(name: str = "panel", base_url: str | None = None, **fields: Any) -> Mixture:
    """Two proposers and a writer, simulated in this process or behind ``base_url``."""
    kind = "sim" if base_url is None else "openai"
    models = {one: {"model": f"{kind}:{one}", "base_url": base_url, "price": PRICE, "max_tokens": 300} for one in "abw"}
    stages = [{"propose": {"slots": ["a", "b"]}}, {"aggregate": {"slot": "w"}}]
    return Mixture.from_data({"name": name, "models": models, "stages": stages, **fields})


def vote() -> Mixture:
    """Three proposers and a vote: nothing writes."""
    stages = [{"propose": {"slots": ["sim:a", "sim:b", "sim:c"]}}, {"vote": {}}]
    return Mixture.from_data({"name": "vote", "stages": stages})


def served_panels() -> ServedMixtures:
    """What most tests ask."""
    return served_mixtures([panel(), vote()], {"gpt-5.4": "moa/panel"}, ["### Task:"])
