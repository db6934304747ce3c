"""A budget is a law: whatever fails, retries or is cut, nothing that it can't pay for is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moa_graph import create_moa
from moa_graph.errors import RunFailed
from tests.models_for_tests import Asked, Reply, ScriptedModel, provider_error, scripted
from tests.virtual_clock import run_virtual

QUESTION: Any = {"messages": [("user", "What is the capital of the country with the longest coast?")]}
LENGTH = 40
"""``max_tokens`` of every model."""


@dataclass(frozen=True)
class Behaviour:
    """What one request meets: used is the part of the most that it could use."""

    kind: str
    used: float
    delay: float


@dataclass
class Accountant:
    """Knows what every request could cost at worst and what it cost, as a provider would bill it."""

    price: tuple[float, float]
    bills: list[tuple[float, tuple[int, int], tuple[int, int]]] = field(default_factory=list)

    def total(self) -> dict[str, float]:
        """Calls, tokens and dollars: what is known to be used, and the most for what is still open."""
        now = asyncio.get_running_loop().time()
        used = [real if now >= ends else worst for ends, worst, real in self.bills]
        given, written = sum(one for one, _ in used), sum(one for _, one in used)
        usd = (given * self.price[0] + written * self.price[1]) / 1e6
        return {"calls": len(used), "tokens": given + written, "usd": usd}

    def reply(self, asked: Asked, behaviour: Behaviour) -> Reply:
        """Bills the request and answers it."""
        size = sum(len(str(message.content).encode()) for message in asked.messages)
        worst = (size, LENGTH)
        real = (int(size * behaviour.used), int(LENGTH * behaviour.used))
        if behaviour.kind == "server":
            real = (0, 0)
        elif behaviour.kind in ("silent", "connection"):
            real = worst
        self.bills.append((asked.at + behaviour.delay, worst, real))
        error = {"server": provider_error(500), "refused": provider_error(401), "connection": ConnectionError("gone")}
        text = "word " * int(LENGTH * behaviour.used) or "no"
        usage = None if behaviour.kind == "silent" else real
        return Reply(text, behaviour.delay, error.get(behaviour.kind), usage=usage)


behaviours = st.builds(
    Behaviour,
    kind=st.sampled_from(["answers", "answers", "silent", "server", "refused", "connection"]),
    used=st.floats(0.05, 1),
    delay=st.integers(0, 12).map(float),
)


@dataclass(frozen=True)
class Plan:
    """A mixture, what each of its models meets call by call, and a limit."""

    slots: Sequence[tuple[int, int, Sequence[Behaviour], Sequence[Behaviour] | None]]
    """Samples, tries, what the slot's model does, what its fallback does."""
    writer: Sequence[Behaviour]
    layers: int
    quorum: int | None
    price: tuple[float, float]
    limit: tuple[str, float]


lists = st.lists(behaviours, min_size=1, max_size=5)
limits = st.one_of(
    st.tuples(st.just("calls"), st.integers(1, 14)),
    st.tuples(st.just("tokens"), st.integers(300, 9000)),
    st.tuples(st.just("usd"), st.floats(0.0003, 0.009)),
)
plans = st.builds(
    Plan,
    slots=st.lists(st.tuples(st.integers(1, 2), st.integers(1, 3), lists, st.none() | lists), min_size=1, max_size=4),
    writer=lists,
    layers=st.integers(2, 3),
    quorum=st.none() | st.just(1),
    price=st.tuples(st.floats(0.1, 2), st.floats(0.1, 2)),
    limit=limits,
)


def mixture(plan: Plan, accountant: Accountant) -> tuple[Any, dict[str, ScriptedModel]]:
    price = {"input": plan.price[0], "output": plan.price[1]}
    models: dict[str, ScriptedModel] = {}

    def model(name: str, met: Sequence[Behaviour]) -> str:
        models[name] = scripted(
            name, lambda asked: accountant.reply(asked, met[asked.number] if asked.number < len(met) else met[-1])
        )
        return name

    slots = []
    for index, (samples, tries, met, met_by_fallback) in enumerate(plan.slots):
        fallbacks = [] if met_by_fallback is None else [model(f"f{index}", met_by_fallback)]
        slots.append({"model": model(f"s{index}", met), "samples": samples, "tries": tries, "fallbacks": fallbacks})
    propose: dict[str, Any] = {"slots": slots, "timeout": 8}
    if plan.quorum is not None:
        propose["quorum"] = plan.quorum
    writer = model("writer", plan.writer)
    return {
        "models": {name: {"model": one, "max_tokens": LENGTH, "price": price} for name, one in models.items()},
        "stages": [{"propose": propose}] * (plan.layers - 1) + [{"aggregate": {"slot": writer}}],
        "budget": dict([plan.limit]),
    }, models


@given(plan=plans)
@settings(max_examples=120)
def test_calls_tokens_and_dollars_never_pass_the_limit(plan: Plan) -> None:
    async def run() -> None:
        accountant = Accountant(plan.price)
        data, models = mixture(plan, accountant)
        kind, limit = plan.limit
        try:
            async for mode, part in create_moa(data).compile().astream(QUESTION, stream_mode=["custom", "debug"]):
                assert accountant.total()[kind] <= limit * (1 + 1e-9)
                if mode == "debug" and part["type"] == "task":
                    granted_and_spent(part["payload"]["input"], kind, limit)
        except RunFailed:
            return
        assert models["writer"].journal.asked, "nothing was left for the answer"

    run_virtual(run)


def granted_and_spent(state: dict[str, Any], kind: str, limit: float) -> None:
    spent = sum(call["charged"][kind] for call in state.get("ledger", ()))
    granted = sum(grant[kind] for grant in state.get("turn", {}).get("grants", {}).values())
    assert spent + granted <= limit * (1 + 1e-9)


@given(plan=plans, delays=st.permutations(range(4)))
@settings(max_examples=60)
def test_who_is_refused_does_not_depend_on_who_came_first(plan: Plan, delays: Sequence[int]) -> None:
    slots = [(1, tries, met, met_by_fallback) for _, tries, met, met_by_fallback in plan.slots]

    def delayed(order: Sequence[int]) -> Plan:
        def all_by(delay: int, met: Sequence[Behaviour] | None) -> Sequence[Behaviour] | None:
            return met and [Behaviour(one.kind, one.used, 0.1 + delay / 10) for one in met]

        late = [
            (samples, tries, all_by(delay, met) or (), all_by(delay, other))
            for (samples, tries, met, other), delay in zip(slots, order, strict=False)
        ]
        return Plan(late, plan.writer, plan.layers, None, plan.price, plan.limit)

    async def refused(plan: Plan) -> Any:
        data, _ = mixture(plan, Accountant(plan.price))
        try:
            result = await create_moa(data).compile().ainvoke(QUESTION)
        except RunFailed as error:
            return str(error)
        return [(record["id"], record["failure"]) for record in result["records"]]

    assert run_virtual(refused, delayed(delays)) == run_virtual(refused, delayed(range(4)))


@pytest.mark.parametrize(("kind", "limit"), [("calls", 1), ("tokens", 100), ("usd", 0.00001)])
@pytest.mark.virtual_clock
async def test_a_budget_that_cannot_pay_for_an_answer_is_one_error_before_any_call(kind: str, limit: float) -> None:
    answers = [Behaviour("answers", 0.5, 1)]
    plan = Plan([(1, 1, answers, None)] * 2, answers, 3, None, (1, 1), (kind, limit))
    data, models = mixture(plan, Accountant(plan.price))
    with pytest.raises(RunFailed, match=rf"budget.{kind}"):
        await create_moa(data).compile().ainvoke(QUESTION)
    assert [name for name, model in models.items() if model.journal.asked] == []
