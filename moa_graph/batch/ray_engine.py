"""A batch over several machines: Ray actors answer the rows, the command that started it keeps the journal.

The mixture travels as data and is built once in each actor. Answers go to one store beside the journal: losing a node
loses only the calls in flight there. The mixture's limits for a provider are divided among the actors, so together
they keep to them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from moa_graph.batch.results import Answered, answer_row
from moa_graph.batch.rows import Row
from moa_graph.errors import MixtureError, MoaError
from moa_graph.graph import MoaGraph, create_moa
from moa_graph.side_by_side import side_by_side
from moa_graph.store import Backend, Entry, Store

try:
    import ray
    from ray.exceptions import RayActorError, RayTaskError
except ImportError as error:  # pragma: no cover
    raise ImportError("--engine ray needs Ray: pip install 'moa-graph[ray]'") from error

__all__ = ["Actors", "MixtureMap", "Travelling"]

LOST_ACTORS = 8
"""How often a row is restarted because its actor was lost."""

LONGEST_REST = 30.0
"""Seconds that a lost actor is given to start elsewhere; fewer the first times."""


@dataclass(frozen=True)
class Travelling:
    """A mixture as data, to be built elsewhere.

    Args:
        mixture: The description, with a model for each part.
        simulate: Whether stand-ins replace every model.
        references: The models that it asks, to check the copy by.
    """

    mixture: Mapping[str, Any]
    simulate: bool
    references: tuple[str, ...]

    @classmethod
    def of(cls, graph: MoaGraph, actors: int) -> Travelling:
        """The mixture of a graph, for this many actors, which share its providers' limits.

        Raises:
            MixtureError: It has chat model objects, or substitutes, which can't be written as data.
        """
        data = graph.casting.mixture.to_data()
        for provider, limits in data.get("limits", {}).items():
            for name, most in limits.items():
                if most < actors:
                    raise MixtureError(
                        f"limits.{provider}.{name}: {most} can't be divided among {actors} actors: use fewer"
                    )
                limits[name] = most // actors
        made = cls(data, graph.plan.simulated, tuple(member.reference for member in graph.plan.everyone))
        made.build()
        return made

    def build(self) -> MoaGraph:
        """The graph.

        Raises:
            MixtureError: It differs from the one that it was made from.
        """
        graph = create_moa(dict(self.mixture), simulate=self.simulate)
        if tuple(member.reference for member in graph.plan.everyone) != self.references:
            raise MixtureError(
                f"{graph.mixture.name}: --substitute isn't passed to other machines: name the models in its file"
            )
        return graph


class _EntriesElsewhere(Backend):
    """The entries of a store that another actor holds."""

    def __init__(self, holder: Any) -> None:
        self._holder = holder

    async def get(self, key: str) -> Entry | None:
        entry: Entry | None = await self._holder.get.remote(key)
        return entry

    async def put(self, key: str, entry: Entry) -> None:
        await self._holder.put.remote(key, entry)

    async def aclose(self) -> None: ...

    def close(self) -> None: ...


class _Holder:
    """Holds the store's entries, on the machine where the journal is."""

    def __init__(self, path: str) -> None:
        from moa_graph.store import open_store

        self._backend = open_store(path).backend

    async def get(self, key: str) -> Entry | None:
        return await self._backend.get(key)

    async def put(self, key: str, entry: Entry) -> None:
        await self._backend.put(key, entry)

    async def aclose(self) -> None:
        await self._backend.aclose()


class _RowAnswerer:
    """Answers rows concurrently."""

    def __init__(self, holder: Any, travelling: Travelling, variables: Mapping[str, str]) -> None:
        import os

        os.environ.update(variables)
        graph = travelling.build()
        graph.plan.store = Store(_EntriesElsewhere(holder))
        self._graph, self._compiled = graph, graph.compile()

    async def answer(self, row: Row, limits: Mapping[str, Any], proposals: bool) -> dict[str, Any]:
        """The row's result, with what its runs did and cost."""
        try:
            return asdict(await answer_row(self._graph, self._compiled, row, limits, proposals=proposals))
        except MoaError as error:  # Ray would wrap it in an error of its own
            return {"fatal": str(error)}


class Actors:
    """The actors of one batch.

    Args:
        graph: The mixture's graph.
        store: File of the store of calls.
        actors: Number of actors.
        concurrency: Rows in flight at once in each.
        address: The cluster's address; None starts one on this machine, or joins the one in RAY_ADDRESS.
    """

    def __init__(self, graph: MoaGraph, store: str, actors: int, concurrency: int, address: str | None = None) -> None:
        travelling = Travelling.of(graph, actors)
        if not ray.is_initialized():
            ray.init(address=address, log_to_driver=False, include_dashboard=False, configure_logging=False)
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        self._holder = (
            ray.remote(_Holder).options(num_cpus=0, max_concurrency=1000, scheduling_strategy=here).remote(store)
        )
        make = ray.remote(_RowAnswerer).options(
            num_cpus=1, max_restarts=-1, max_concurrency=concurrency, scheduling_strategy="SPREAD"
        )
        self._arguments = [ray.put(travelling), ray.put(_keys_of(graph))]  # kept, for actors that start again
        self._actors: list[Any] = [make.remote(self._holder, *self._arguments) for _ in range(actors)]
        self._busy = [0] * actors
        self._rests_until = [0.0] * actors

    async def answer(self, row: Row, limits: Mapping[str, Any], *, proposals: bool) -> Answered:
        """A row's result, from the least busy actor.

        Raises:
            MoaError: No row can be answered, or actors were lost again and again.
        """
        for lost in range(LOST_ACTORS):
            index = self._least_busy()
            self._busy[index] += 1
            try:
                done = await self._actors[index].answer.remote(row, limits, proposals)
            except RayTaskError as error:
                raise MoaError(f"an actor failed: {error.cause}") from error
            except RayActorError:
                rest = min(2.0**lost, LONGEST_REST)
                self._rests_until[index] = time.monotonic() + rest
                if len(self._actors) == 1:
                    await asyncio.sleep(rest)
                continue
            finally:
                self._busy[index] -= 1
            if "fatal" in done:
                raise MoaError(done["fatal"])
            return Answered(**done)
        raise MoaError(f"{row.id}: {LOST_ACTORS} actors were lost while answering it")

    def _least_busy(self) -> int:
        """The least busy actor; one that was just lost comes last."""
        now = time.monotonic()
        return min(range(len(self._actors)), key=lambda one: (self._rests_until[one] > now, self._busy[one]))

    def close(self) -> None:
        """Stops the actors, not the cluster."""
        holder: Any = self._holder
        ray.get(holder.aclose.remote())
        for actor in [*self._actors, holder]:
            ray.kill(actor)


def _keys_of(graph: MoaGraph) -> dict[str, str]:
    """The keys that the models need, from this process's environment: an actor's may lack them."""
    import os

    names = {member.key_variable for member in graph.plan.everyone} - {None}
    return {name: os.environ[name] for name in names if name and name in os.environ}


class MixtureMap:
    """A mixture as a function for ``ray.data.Dataset.map_batches``, for your own pipelines.

    >>> ds.map_batches(MixtureMap, fn_constructor_args=("moa-lite",), batch_size=16, concurrency=2)  # doctest: +SKIP

    Each row needs a column ``prompt``; the columns ``answer``, ``failure``, ``degraded`` and ``usd`` are added.

    Args:
        mixture: As for :func:`moa_graph.create_moa`: a preset's name or plain data.
        settings: Further arguments of :func:`moa_graph.create_moa`.
    """

    def __init__(self, mixture: str | Mapping[str, Any], settings: Mapping[str, Any] | None = None) -> None:
        self._graph = create_moa(mixture, **dict(settings or {}))
        self._compiled = self._graph.compile()

    async def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Answers a batch of rows concurrently."""
        prompts: Sequence[Any] = [str(prompt) for prompt in batch["prompt"]]
        rows = [Row(str(place), place, ({"role": "user", "content": prompt},)) for place, prompt in enumerate(prompts)]
        answering = [answer_row(self._graph, self._compiled, row, {}, proposals=False) for row in rows]
        done = await side_by_side(answering)
        results = [one.result for one in done]
        told: dict[str, Callable[[dict[str, Any]], Any]] = {
            "answer": lambda result: result["answer"] or "",
            "failure": lambda result: (result["failure"] or {}).get("message", ""),
            "degraded": lambda result: "; ".join(result["degraded"]),
            "usd": lambda result: float("nan") if result.get("usd") is None else result["usd"],
        }
        return {**batch, **{name: [read(result) for result in results] for name, read in told.items()}}
