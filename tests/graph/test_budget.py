"""A budget is a law: whatever fails, retries or is cut, nothing that it can't pay for is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from moa_graph import create_moa
from moa_graph.errors import BudgetTooSmall, RunFailed
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
        if behaviour.kind in ("server", "refused"):  # an answer of status 4xx or 5xx is not billed
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
    used=st.sampled_from([0.1, 0.5, 1.0]),
    delay=st.sampled_from([0.0, 1.0, 2.0, 12.0]),
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
    kind: str
    tightness: float

    @property
    def limit(self) -> float:
        """Around what the mixture would need if nothing failed, so that much of what is drawn is at the edge."""
        proposals = sum(samples for samples, *_ in self.slots)
        calls = proposals * (self.layers - 1) + 1
        prompts, answers = 80 * calls + 160 * proposals * (self.layers - 1), LENGTH * calls
        usd = (prompts * self.price[0] + answers * self.price[1]) / 1e6
        whole: dict[str, float] = {"calls": calls, "tokens": prompts + answers, "usd": usd}
        limit = whole[self.kind] * self.tightness
        return limit if self.kind == "usd" else max(int(limit), 1)


without_explaining = [phase for phase in Phase if phase is not Phase.explain]

lists = st.lists(behaviours, min_size=1, max_size=5)
plans = st.builds(
    Plan,
    slots=st.lists(st.tuples(st.integers(1, 2), st.integers(1, 3), lists, st.none() | lists), min_size=1, max_size=4),
    writer=lists,
    layers=st.integers(2, 3),
    quorum=st.none() | st.just(1),
    price=st.tuples(st.floats(0.1, 2), st.floats(0.1, 2)),
    kind=st.sampled_from(["calls", "tokens", "usd"]),
    tightness=st.floats(0.4, 2),
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
        "budget": {plan.kind: plan.limit},
    }, models


@given(plan=plans)
@settings(max_examples=100, phases=without_explaining)
def test_calls_tokens_and_dollars_never_pass_the_limit(plan: Plan) -> None:
    async def run() -> None:
        accountant = Accountant(plan.price)
        data, models = mixture(plan, accountant)
        kind, limit = plan.kind, plan.limit
        parts: Any = create_moa(data).compile().astream(QUESTION, stream_mode=["custom", "debug"])
        try:
            async for mode, part in parts:
                assert accountant.total()[kind] <= limit * (1 + 1e-9)
                if mode == "debug" and part["type"] == "task":
                    check_grants(part["payload"]["input"], kind, limit)
        except RunFailed:
            return
        assert models["writer"].journal.asked, "nothing was left for the answer"

    run_virtual(run)


def check_grants(state: dict[str, Any], kind: str, limit: float) -> None:
    """A record's calls stay within its grant, and what the others spent leaves room for all grants."""
    grants = state.get("turn", {}).get("grants", {})
    ledger = state.get("ledger", ())
    for record, grant in grants.items():
        assert sum(call["charged"][kind] for call in ledger if call["record"] == record) <= grant[kind] + 1e-12
    spent_before = sum(call["charged"][kind] for call in ledger if call["record"] not in grants)
    assert spent_before + sum(grant[kind] for grant in grants.values()) <= limit * (1 + 1e-9)


@given(plan=plans, delays=st.permutations(range(4)))
@settings(max_examples=40, phases=without_explaining)
def test_who_is_refused_does_not_depend_on_who_came_first(plan: Plan, delays: Sequence[int]) -> None:
    slots = [(1, tries, met, met_by_fallback) for _, tries, met, met_by_fallback in plan.slots]

    def delayed(order: Sequence[int]) -> Plan:
        def all_by(delay: int, met: Sequence[Behaviour] | None) -> Sequence[Behaviour] | None:
            return met and [Behaviour(one.kind, one.used, 0.1 + delay / 10) for one in met]

        late = [
            (samples, tries, all_by(delay, met) or (), all_by(delay, other))
            for (samples, tries, met, other), delay in zip(slots, order, strict=False)
        ]
        return Plan(late, plan.writer, plan.layers, None, plan.price, plan.kind, plan.tightness)

    async def refused(plan: Plan) -> Any:
        data, _ = mixture(plan, Accountant(plan.price))
        try:
            result = await create_moa(data).compile().ainvoke(QUESTION)
        except RunFailed as error:
            return str(error)
        return [(record["id"], record["failure"]) for record in result["records"]]

    assert run_virtual(refused, delayed(delays)) == run_virtual(refused, delayed(range(4)))


@pytest.mark.parametrize("kind", ["calls", "tokens", "usd"])
@pytest.mark.virtual_clock
async def test_a_budget_that_cannot_pay_for_an_answer_is_one_error_before_any_call(kind: str) -> None:
    answers = [Behaviour("answers", 0.5, 1)]
    plan = Plan([(1, 1, answers, None)] * 2, answers, 3, None, (1, 1), kind, tightness=0.2)
    data, models = mixture(plan, Accountant(plan.price))
    with pytest.raises(BudgetTooSmall, match=rf"budget\.{kind}: the budget is {plan.limit:g} "):
        await create_moa(data).compile().ainvoke(QUESTION)
    assert [name for name, model in models.items() if model.journal.asked] == []


@pytest.mark.virtual_clock
async def test_a_structured_answer_is_granted_the_form_that_it_is_asked_in() -> None:
    judge = scripted("judge", '{"ranking": [1, 2]}')
    models = [scripted("a"), scripted("b"), judge]
    data = {
        "models": {model.model: {"model": model, "max_tokens": LENGTH} for model in models},
        "stages": [
            {"propose": {"slots": ["a", "b"]}},
            {"judge": {"slot": {"model": "judge", "tries": 1}}},
            {"aggregate": {"slot": "a"}},
        ],
        "budget": {"tokens": 100_000},
    }
    result = await create_moa(data).compile().ainvoke(QUESTION)
    assert len(judge.journal.asked) == 1
    assert [record["failure"] for record in result["records"] if record["failure"]] == []
