"""From what was chosen to a graph that can run."""

from __future__ import annotations

import os
from dataclasses import dataclass

from moa_graph.cli.choice import Choice
from moa_graph.cli.classic import with_flags
from moa_graph.detection import detect
from moa_graph.errors import MixtureError
from moa_graph.graph import MoaGraph, create_moa, load_mixture
from moa_graph.mixture import Mixture
from moa_graph.store import Store, open_store

__all__ = ["Chosen", "build"]

HOW_TO_USE_REAL_MODELS = "for real ones set TOGETHER_API_KEY, OPENAI_API_KEY or OPENROUTER_API_KEY, or start Ollama"


@dataclass(frozen=True)
class Chosen:
    """A graph, not yet compiled, and why it is this one.

    Args:
        graph: The mixture's graph.
        headline: The line that says which mixture runs, and on what.
        store: What its calls are kept in, to be closed by whoever built it.
    """

    graph: MoaGraph
    headline: str
    store: Store | None


def build(choice: Choice) -> Chosen:
    """The graph of what was chosen.

    Raises:
        MoaError: What was chosen can't work.
    """
    mixture, why = _mixture(choice)
    mixture = with_flags(mixture, choice)
    store = _store(choice)
    graph = create_moa(mixture, simulate=choice.simulate or None, substitute=dict(choice.substitute), store=store)
    return Chosen(graph, _headline(graph, choice, why), store)


def _mixture(choice: Choice) -> tuple[Mixture, str]:
    if choice.mixture is not None:
        return load_mixture(choice.mixture), "named"
    simulated = choice.simulate or os.environ.get("MOA_SIMULATE", "") not in ("", "0")
    return detect(servers=() if simulated else None)


def _store(choice: Choice) -> Store | None:
    if choice.store is None:
        if choice.mode != "cache":
            raise MixtureError(f"--{choice.mode} needs a file: --store FILE")
        return None
    return open_store(choice.store, choice.mode, missing=choice.missing)  # type: ignore[arg-type]


def _headline(graph: MoaGraph, choice: Choice, why: str) -> str:
    name = graph.mixture.name
    if not graph.plan.simulated:
        return name if why == "named" else f"{name} ({why})"
    if choice.simulate or why == "named":
        return f"{name} on simulated models: leave out --simulate and MOA_SIMULATE for real ones"
    return f"{name} on simulated models, since {why}; {HOW_TO_USE_REAL_MODELS}"
