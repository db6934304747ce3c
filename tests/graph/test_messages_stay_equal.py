"""Equal input gives equal prompts and an equal state, whoever answers first."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from moa_graph import create_moa
from tests.models_for_tests import Reply, scripted
from tests.virtual_clock import run_virtual

Prompts = dict[str, list[list[tuple[str, Any]]]]

DIFFERS_FROM_RUN_TO_RUN = {"started", "seconds", "message_id", "active"}


async def run(delays: list[list[float]], layers: int) -> tuple[Prompts, dict[str, Any]]:
    """The prompts that each model saw, and the state at the end."""
    models = [
        scripted(f"p{number}", *(Reply(f"answer {layer} of {number}", delay=d) for layer, d in enumerate(each)))
        for number, each in enumerate(delays)
    ]
    writer = scripted("writer", "the end")
    graph = create_moa(proposers=models, aggregator=writer, layers=layers).compile()
    state = await graph.ainvoke({"messages": [("system", "Be brief."), ("user", "Why?")]})
    prompts = {
        model.model: [[(m.type, m.content) for m in asked.messages] for asked in model.journal.asked]
        for model in (*models, writer)
    }
    return prompts, state


def lasting(value: Any) -> Any:
    """``value`` without times and random identities."""
    if isinstance(value, dict):
        return {key: lasting(each) for key, each in value.items() if key not in DIFFERS_FROM_RUN_TO_RUN}
    if isinstance(value, list):
        return [lasting(each) for each in value]
    return value


def state_of(state: dict[str, Any]) -> Any:
    texts = [(message.type, message.content) for message in state["messages"]]
    return lasting({**state, "messages": texts})


PROPOSERS, LAYERS = 12, 3  # p10 and p11 come before p2 by name

TIDY = [[0.0] * (LAYERS - 1)] * PROPOSERS
SECONDS = st.floats(0, 50).map(lambda seconds: round(seconds, 3))


@settings(max_examples=25)
@given(
    delays=st.lists(st.lists(SECONDS, min_size=LAYERS - 1, max_size=LAYERS - 1), min_size=PROPOSERS, max_size=PROPOSERS)
)
def test_prompts_and_state_dont_depend_on_who_answers_first(delays: list[list[float]]) -> None:
    prompts, state = run_virtual(run, delays, LAYERS)
    expected_prompts, expected_state = run_virtual(run, TIDY, LAYERS)

    assert prompts == expected_prompts
    assert state_of(state) == state_of(expected_state)


def test_references_stand_in_the_configured_order() -> None:
    slowest_first = [[float(PROPOSERS - number)] * (LAYERS - 1) for number in range(PROPOSERS)]

    prompts, _ = run_virtual(run, slowest_first, LAYERS)

    [[(_, instruction), _]] = prompts["writer"]
    places = [instruction.index(f"answer 1 of {number}\n") for number in range(PROPOSERS)]
    assert places == sorted(places)
