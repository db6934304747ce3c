"""A mixture becomes a LangGraph graph: ``prepare``, the stages in their order, ``finish``."""

from __future__ import annotations

import os
import re
import weakref
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph

from moa_graph.calls.fair_loop import let_others_run
from moa_graph.calls.tracing import NODE_TRACES
from moa_graph.casts.cast import Cast
from moa_graph.casts.casting import Casting
from moa_graph.casts.deciding import decide
from moa_graph.context import check_names, context_class
from moa_graph.description import Model, Slot
from moa_graph.errors import MixtureError
from moa_graph.extract import Extractor
from moa_graph.mixture import Mixture, propose_and_aggregate
from moa_graph.models.catalogue import Catalogue
from moa_graph.options import Options, options_class
from moa_graph.prepare import cannot_limit
from moa_graph.presets.catalogue import load_preset
from moa_graph.problems import located
from moa_graph.source import Source
from moa_graph.stage_kit.counting import reading_by
from moa_graph.stage_kit.plan import Plan
from moa_graph.state import Input, MoaState, Output
from moa_graph.store import Store, open_store
from moa_graph.wiring import in_field, place, wire

__all__ = ["MoaGraph", "create_moa", "load_mixture"]

FEWEST_THREADS = 64
"""Nodes that a graph runs side by side, even if it has fewer: those of stages that send their work out may be more."""

_MEANS_A_FILE = re.compile(r"[/\\]|\.(ya?ml|toml|json)$", re.IGNORECASE)


class CompiledMixture(CompiledStateGraph[MoaState, Any, Any, Any]):
    """As LangGraph compiles it. A context that could be no options' is refused in words, before LangGraph reads it."""

    def stream(self, *args: Any, **kwargs: Any) -> Any:
        """As any graph's."""
        check_names(kwargs.get("context"))
        return super().stream(*args, **kwargs)

    def astream(self, *args: Any, **kwargs: Any) -> Any:
        """As any graph's. Of many runs that begin at once a few do so in one round of the event loop."""
        check_names(kwargs.get("context"))
        return _in_turn(cast(AsyncGenerator[Any, None], super().astream(*args, **kwargs)))


async def _in_turn(parts: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
    await let_others_run()
    async with aclosing(parts):
        async for part in parts:
            yield part


Compiled = CompiledStateGraph[MoaState, Any, Any, Any]
""":class:`Input` in any form that LangChain takes messages in, and :class:`Options` or their dictionary."""


class MoaGraph(StateGraph[MoaState, Any, Any, Any]):
    """An uncompiled LangGraph graph of a mixture; ``compile()`` it as any other.

    Args:
        mixture: What the graph was made from.
        plan: Its stages in their places.
        only_messages: Whether a run gives back the conversation alone.
        casting: Which models play the mixture's parts.
    """

    def __init__(
        self, mixture: Mixture, plan: Plan, *, only_messages: bool = False, casting: Casting | None = None
    ) -> None:
        output = Input if only_messages else Output
        context = context_class(plan.options)
        super().__init__(MoaState, context_schema=context, input_schema=Input, output_schema=output)
        self.mixture = mixture
        self.plan = plan
        self.casting = casting or Casting(mixture, {})

    def compile(self, *args: Any, name: str | None = None, **options: Any) -> Compiled:
        """As any graph; runs are traced under the mixture's name, unless another is given.

        Sync runs get a thread for each slot of a stage, where LangGraph by itself has the number of CPUs and four more.
        A run's own ``max_concurrency`` still counts.
        """
        compiled = CompiledMixture(**vars(super().compile(*args, name=name or self.mixture.name, **options)))
        return compiled.with_config(max_concurrency=max(len(self.nodes), FEWEST_THREADS))


def create_moa(
    mixture: str | Path | Mixture | Mapping[str, Any] | None = None,
    *,
    proposers: Sequence[Model | Slot | Mapping[str, Any]] | None = None,
    aggregator: Model | Slot | Mapping[str, Any] | None = None,
    layers: int | None = None,
    name: str | None = None,
    simulate: bool | None = None,
    substitute: Mapping[str, str] | None = None,
    cast: str | Path | Cast | Mapping[str, Any] | None = None,
    store: str | Path | Store | None = None,
    extract: str | Extractor | None = None,
    only_messages: bool = False,
    options: Options | Mapping[str, Any] | None = None,
) -> MoaGraph:
    """The graph of a mixture, not yet compiled.

    Args:
        mixture: A preset's name, a file's path, a :class:`Mixture` or its plain data; or leave it out and give models.
        proposers: Models that answer side by side: ``"provider:name"``, chat model objects, or slots.
        aggregator: The model that writes the answer.
        layers: As the paper counts: ``layers`` - 1 times the proposers, and the aggregator; default: 2.
        name: Name in reports and traces.
        simulate: Put a simulated stand-in in every model's place; default: whether MOA_SIMULATE is set.
        substitute: Model -> the one asked in its place, for models that are no longer served.
        cast: Which models play the parts of the mixture: a provider's name such as ``"openai"``, several joined by
            ``+``, ``"auto"``, a file's path, a :class:`moa_graph.casts.Cast` or its plain data; default: what MOA_CAST
            says, else ``auto``, which goes by the keys that are set. A mixture without parts, such as the paper's, is
            then cast anew as a whole. No provider is asked anything here.
        store: Keeps calls and answers equal ones: ``":memory:"``, a ``.sqlite`` or ``.jsonl`` file, or what
            :func:`moa_graph.store.open_store` gives, which can also record and replay. A file is closed when the
            graph is gone; a store that was opened by the caller is the caller's to close.
        extract: How votes and stops read answers: ``"auto"``, ``"number"``, ``"choice"``, ``"exact"``,
            ``"json:FIELD"`` or a function of the text; default: as the mixture says, which is ``"auto"`` where it says
            nothing.
        only_messages: Give back the conversation alone, without ``records`` and ``report``: for a subgraph of a graph
            whose own state has keys of these names.
        options: Run-time options of every run that doesn't choose otherwise, as a subgraph may be given them.

    Raises:
        MixtureError: The description can't work; the message names the field.
        UnknownPreset: No preset has the name.
        OptionsError: An option is unknown or out of its bounds.
    """
    source = _source_of(mixture)
    described = _described(mixture, source, proposers, aggregator, layers)
    described = _reading_by(described.model_copy(update={"name": name}) if name else described, extract)
    if simulate is None:
        simulate = os.environ.get("MOA_SIMULATE", "") not in ("", "0")
    casting = decide(described, cast, choose=not (simulate or substitute))
    catalogue = Catalogue(casting.mixture.models, simulate=simulate, substitute=substitute)
    for old, new in (substitute or {}).items():
        if not isinstance(new, str | BaseChatModel):
            raise MixtureError(f"{described.name}: substitute: {old}: {new!r} isn't a model: write provider:name")
    with _naming_lines(described.name, source):
        graph = _build(casting.mixture, catalogue, only_messages=only_messages)
    graph.mixture = described
    graph.casting = casting
    if unused := catalogue.unused_substitutes():
        raise MixtureError(f"{described.name}: substitute: it has no model called {' or '.join(unused)}")
    graph.plan.usual = None if options is None else _usual(graph.plan.options, options)
    if store is not None:
        graph.plan.store = open_store(store)
        if not isinstance(store, Store):
            weakref.finalize(graph.plan, graph.plan.store.close)  # its opener is nobody else
    return graph


def _described(
    mixture: str | Path | Mixture | Mapping[str, Any] | None,
    source: Source | None,
    proposers: Sequence[Model | Slot | Mapping[str, Any]] | None,
    aggregator: Model | Slot | Mapping[str, Any] | None,
    layers: int | None,
) -> Mixture:
    """The mixture that is given, or made of the models that are."""
    short = any(given is not None for given in (proposers, aggregator, layers))
    if (mixture is None) is not short:
        raise MixtureError("give either a mixture, or proposers, an aggregator and layers")
    if source is not None:
        return Mixture.from_source(source)
    if mixture is not None:
        return load_mixture(mixture)
    if aggregator is None:
        raise MixtureError("aggregator: name the model that writes the answer")
    return propose_and_aggregate(proposers or (), aggregator, 2 if layers is None else layers)


def _reading_by(mixture: Mixture, extract: str | Extractor | None) -> Mixture:
    """The mixture whose votes and stops read answers by ``extract``, if that is given."""
    if extract is None:
        return mixture
    stages = reading_by(mixture.stages, extract)
    if stages is mixture.stages:
        raise MixtureError(f"{mixture.name}: extract: it has no stage that counts answers, such as vote or stop")
    return mixture.model_copy(update={"stages": stages})


def load_mixture(mixture: str | Path | Mixture | Mapping[str, Any]) -> Mixture:
    """The mixture that a preset's name, a file's path or plain data means.

    Raises:
        MixtureError: It can't be read or can't work.
        UnknownPreset: No preset has the name.
    """
    if isinstance(mixture, Mixture):
        return mixture
    if isinstance(mixture, Mapping):
        return Mixture.from_data(dict(mixture))
    source = _source_of(mixture)
    if source is not None:
        return Mixture.from_source(source)
    if isinstance(mixture, str):
        return load_preset(mixture)
    raise MixtureError(f"{mixture!r} isn't a mixture: give a preset's name, a file's path, a Mixture or its plain data")


def _source_of(mixture: object) -> Source | None:
    """The text of the file that is named; None if none is."""
    if isinstance(mixture, Path) or (isinstance(mixture, str) and _MEANS_A_FILE.search(mixture)):
        return Source.of_file(mixture)
    return None


@contextmanager
def _naming_lines(name: str, source: Source | None) -> Iterator[None]:
    """Has an error about a mixture that was read from a file say where in it."""
    try:
        yield
    except MixtureError as error:
        if source is None:
            raise
        raise located(error, name, source) from None


def _usual(kind: type[Options], options: Options | Mapping[str, Any]) -> Options:
    """What holds for every run that doesn't choose otherwise."""
    return kind(**(options.model_dump(exclude_unset=True) if isinstance(options, Options) else options))


def _build(mixture: Mixture, catalogue: Catalogue, *, only_messages: bool) -> MoaGraph:
    members = {}
    for name in mixture.models:
        with in_field(f"{mixture.name}: models.{name}"):
            members[name] = catalogue.member(name)
    plan = Plan(
        mixture=mixture.name,
        budget=mixture.budget,
        min_live=mixture.min_live,
        members=members,
        limits=mixture.limits,
    )
    plan.stages = place(mixture, catalogue, plan)
    asked = plan.everyone
    plan.members = {**{member.name: member for member in asked}, **members}
    plan.simulated = bool(asked) and all(member.provider == "sim" for member in asked)
    plan.options = _options(plan)
    if problem := cannot_limit(mixture.budget, asked):
        raise MixtureError(f"{mixture.name}: budget.{problem}")
    graph = MoaGraph(mixture, plan, only_messages=only_messages)
    wire(graph, plan)
    for node in graph.nodes.values():
        node.trace_policy = NODE_TRACES
    return graph


def _options(plan: Plan) -> type[Options]:
    """What may be chosen for a run of this mixture."""
    samples = [sum(slot.samples for slot in bound.slots) for bound in plan.stages]
    proposers = [slot.name for bound in plan.stages if bound.stage.proposes for slot in bound.slots]
    quorums = range(plan.min_live, max(samples, default=1) + 1)
    return options_class(list(plan.members), list(dict.fromkeys(proposers)), quorums, plan.budget)
