"""Mixtures whose models are behind a socket, and what a caller sees of a run of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from moa_graph import create_moa
from moa_graph.graph import MoaGraph
from moa_graph.models.simulation import Profile
from moa_graph.server.simulator import RunningSimulator
from tests.models.simulation_requests import instant

KEY = "the-simulators-own-key"
KEY_VARIABLE = "SIMULATOR_API_KEY"
PRICE = {"input": 1.0, "output": 2.0}
PROPOSERS = ("a", "b", "c", "d")
SDKS = ("openai", "together")
"""Prefixes that mean LangChain's classes for servers that speak OpenAI's protocol, and for Together."""

QUESTION = "What is 17 * 24 + 3?"
ANSWER = "Answer: 411"


def profile(name: str, **fields: Any) -> Profile:
    return instant(name, price=PRICE, **fields)


def model(sdk: str, name: str, base_url: str, **settings: Any) -> dict[str, Any]:
    """Settings of the simulated model ``name``, asked through one SDK."""
    given = {"base_url": base_url, "key_variable": KEY_VARIABLE, "price": PRICE, "max_tokens": 200}
    return {"model": f"{sdk}:{name}", **given, **settings}


def four_and_a_writer(
    sdk: str,
    simulator: RunningSimulator,
    asked: Mapping[str, str],
    *,
    slot: Mapping[str, Any] | None = None,
    proposers: Mapping[str, Any] | None = None,
    fallbacks: Sequence[str] = (),
    propose: Mapping[str, Any] | None = None,
    base_urls: Mapping[str, str] | None = None,
) -> MoaGraph:
    """Four proposers and an aggregator, ``w``.

    Args:
        sdk: What they are asked through.
        simulator: Where they are.
        asked: Slot -> the simulated model behind it; default: the one of its own name.
        slot: Fields of every slot.
        proposers: Further fields of the proposers' slots.
        fallbacks: Of the aggregator.
        propose: Further fields of the first stage.
        base_urls: Slot -> another address.
    """
    names = (*PROPOSERS, "w", *fallbacks)
    addresses = base_urls or {}
    models = {name: model(sdk, asked.get(name, name), addresses.get(name, simulator.base_url)) for name in names}
    slots = [{"model": name, **(slot or {}), **(proposers or {})} for name in PROPOSERS]
    writer = {"model": "w", "fallbacks": list(fallbacks), **(slot or {})}
    stages = [{"propose": {"slots": slots, **(propose or {})}}, {"aggregate": {"slot": writer}}]
    return create_moa({"name": "over-http", "models": models, "stages": stages})


@dataclass
class Run:
    """What a caller sees of one run."""

    state: dict[str, Any] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    pieces: list[tuple[str, str]] = field(default_factory=list)
    """The message stream: identity and text of each piece."""
    error: Exception | None = None

    @property
    def answer(self) -> str:
        return str(self.state["messages"][-1].content)

    @property
    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = self.state["report"]
        return report

    def told(self, kind: str, **where: Any) -> list[dict[str, Any]]:
        """The events of a kind."""
        return [event for event in self.events if {"type": kind, **where}.items() <= event.items()]

    def record(self, slot: str) -> dict[str, Any]:
        """The event about the one record of a slot."""
        (record,) = self.told("record_finished", slot=slot)
        return record

    def on_screen(self) -> str:
        """The tokens that came, less what a front end was told to drop."""
        dropped = {event["message_id"] for event in self.told("reset")}
        return "".join(text for identity, text in self.pieces if identity not in dropped)


async def run(graph: MoaGraph, conversation: Sequence[Any] = (("user", QUESTION),), *, watched: bool = True) -> Run:
    """Runs a graph and notes what comes of it, errors included.

    Args:
        graph: What to run.
        conversation: What it is asked.
        watched: Whether tokens are watched, so that the answer's model streams.
    """
    seen = Run()
    compiled: Any = graph.compile()
    modes = ["custom", "values", *(["messages"] if watched else [])]
    try:
        async for mode, data in compiled.astream({"messages": list(conversation)}, stream_mode=modes):
            if mode == "custom":
                seen.events.append(data)
            elif mode == "values":
                seen.state = data
            else:
                seen.pieces.append((data[0].id, data[0].text))
    except Exception as error:
        seen.error = error
    return seen
