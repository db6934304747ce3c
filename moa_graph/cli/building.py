"""From what was chosen to a graph that can run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from moa_graph.casts.own_server import OwnServer, limits_on
from moa_graph.cli.beside import Beside, beside
from moa_graph.cli.casting import FoundCast, find_cast
from moa_graph.cli.choice import MixtureChoice
from moa_graph.cli.classic import with_flags, without_timeouts
from moa_graph.cli.own_server import a_few, on_own_server
from moa_graph.cli.saying import say
from moa_graph.cli.setting import with_settings
from moa_graph.detection import DEFAULT, detect
from moa_graph.errors import MixtureError
from moa_graph.graph import MoaGraph, create_moa, load_mixture
from moa_graph.mixture import Mixture, propose_and_aggregate
from moa_graph.store import Store, open_store

__all__ = ["HOW_TO_USE_REAL_MODELS", "Chosen", "build", "everything_is_simulated"]

HOW_TO_USE_REAL_MODELS = "set TOGETHER_API_KEY, OPENAI_API_KEY or another provider's key, or start Ollama"


@dataclass(frozen=True)
class Chosen:
    """A graph, not yet compiled, and why it is this one.

    Args:
        graph: The mixture's graph.
        headline: The line that says which mixture runs, and on what.
        store: What its calls are kept in, to be closed by whoever built it.
        mark: What stands before an answer that simulated models give though nobody asked for them; None otherwise.
        beside: A model that is asked as well.
    """

    graph: MoaGraph
    headline: str
    store: Store | None
    mark: str | None = None
    beside: Beside | None = None


def build(choice: MixtureChoice, store: Store | None = None) -> Chosen:
    """The graph of what was chosen.

    Args:
        choice: What was chosen on the command line.
        store: What calls are kept in already; default: the chosen one, opened.

    Raises:
        MoaError: What was chosen can't work.
    """
    if choice.models and choice.on is None:
        raise MixtureError(
            "--models names models on a server of your own: name the server with --on, such as --on ollama"
        )
    on_own = choice.on is not None and not _on_stand_ins(choice)
    mixture, why = _mixture(choice)
    beside_called = choice.beside
    if on_own:
        choice, mixture = on_own_server(choice, without_timeouts(mixture), say)
    store = store or _store(choice)
    described = _described(mixture, choice)
    found = FoundCast(choice.cast)
    if not (on_own or _on_stand_ins(choice)):
        found = find_cast(described, choice.cast, say, _choose)
    if found.own is not None:
        described = _described(_at_home(mixture, found.own), replace(choice, on=found.own.url))
    why = why or found.simulated
    graph = create_moa(
        described,
        simulate=choice.simulate or None,
        substitute=dict(choice.substitute),
        cast=found.cast,
        extract=choice.extract,
        store=store,
    )
    unasked = why is not None and bool(_simulated_slots(graph)) and not _on_stand_ins(choice)
    mark = f"[simulated: no real model was asked, since {why}]" if unasked else None
    if not _on_stand_ins(choice):
        for note in graph.casting.notes:
            say(note)
    alone = None
    if choice.beside:
        alone = beside(choice.beside, graph.casting.mixture, choice, store, beside_called)
    return Chosen(graph, _headline(graph, choice, why), store, mark, alone)


def _described(mixture: Mixture, choice: MixtureChoice) -> Mixture:
    """The mixture with what was chosen for this run."""
    return with_settings(with_flags(mixture, choice), choice.settings)


def _at_home(mixture: Mixture, own: OwnServer) -> Mixture:
    """The mixture with the limits of a machine of one's own."""
    return without_timeouts(mixture).model_copy(update={"limits": {**limits_on(own), **mixture.limits}})


def _choose(models: Sequence[str]) -> list[str]:
    """A few of the models of a server that was found."""
    return a_few(models, say)


def _mixture(choice: MixtureChoice) -> tuple[Mixture, str | None]:
    """The mixture, and why it is this one where none was named."""
    if choice.mixture is not None:
        return load_mixture(choice.mixture), None
    if choice.reference_models and choice.aggregator is not None and choice.on is None:
        return propose_and_aggregate(list(choice.reference_models), choice.aggregator), None
    if choice.on is not None:
        return load_mixture(DEFAULT), None
    return detect(say=say, offline=_on_stand_ins(choice), choose=_choose)


def everything_is_simulated() -> bool:
    """Whether ``MOA_SIMULATE`` puts a simulated stand-in in every model's place."""
    return os.environ.get("MOA_SIMULATE", "") not in ("", "0")


def _on_stand_ins(choice: MixtureChoice) -> bool:
    return choice.simulate or everything_is_simulated()


def _store(choice: MixtureChoice) -> Store | None:
    if choice.store is None:
        if choice.mode != "cache":
            raise MixtureError(f"--{choice.mode} needs a file: --store FILE")
        return None
    return open_store(choice.store, choice.mode, missing=choice.missing)  # type: ignore[arg-type]  # click checked it


def _headline(graph: MoaGraph, choice: MixtureChoice, why: str | None) -> str:
    """Which mixture runs, why, and what about it is simulated."""
    name = graph.mixture.name
    if _on_stand_ins(choice):
        return f"{name} on simulated models; for real ones leave out --simulate and MOA_SIMULATE"
    reason = f", since {why}" if why else ""
    simulated = _simulated_slots(graph)
    if not simulated:
        return name + reason
    which = "models" if graph.plan.simulated else f"models in place of {', '.join(simulated)}"
    remedy = f"; for real ones {HOW_TO_USE_REAL_MODELS}" if why else ""
    return f"{name} on simulated {which}{reason}{remedy}"


def _simulated_slots(graph: MoaGraph) -> list[str]:
    slots = [slot for bound in graph.plan.stages for slot in bound.slots]
    return sorted({member.name for slot in slots for member in slot.members if member.provider == "sim"})
