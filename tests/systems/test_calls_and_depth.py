"""How many calls a system makes, and how many of them one after another.

Every scripted call takes one second of virtual time, so requests that begin at one time work side by side.
"""

from __future__ import annotations

from typing import Any

import pytest

from moa_graph import create_moa, preset_names
from moa_graph.size import size_of
from tests.systems.panel import Panel, says

pytestmark = pytest.mark.virtual_clock

MODELS = ["llama-70b", "qwen-72b", "qwen-coder", "deepseek", "qwen-7b", "llama-8b"]

WIDTHS = {
    "attention-moa": [3, 9, 3, 1, 3, 9, 3, 1, 1],
    "cascade": [1, 1, 1, 1, 1],
    "council": [3, 3, 1],
    "debate": [3, 3],
    "document": [3, 1, 3, 1],
    "frontier": [3, 1],
    "fusion": [3, 1, 1],
    "ice": [3, 3, 3],
    "jury": [3],
    "moa-gpt4o": [6, 6, 1],
    "moa-lite": [6, 1],
    "moa-turbo": [4, 1],
    "pyramid-moa": [2, 1],
    "rank-then-fuse": [4, 1, 1],
    "ranker": [3, 1],
    "rmoa": [3, 1, 3, 1, 1, 3, 1, 1, 3, 1, 1],
    "router": [1, 3, 1],
    "rsa": [16, 16, 16, 1],
    "self-moa": [6, 1],
    "self-moa-seq": [30, 1, 1, 1, 1, 1, 1, 1, 1, 1],
    "smoa": [4, 1, 4, 1, 1],
    "synthetic-data": [3, 1, 3],
    "together-moa": [6, 6, 1],
    "vote": [3],
}
"""Preset -> requests side by side, step after step, where nothing ends early. No two models agree."""


def disagreeing() -> Panel:
    names = {*MODELS, "gpt", "claude", "gemini"}
    return Panel({name: says(f"The answer is {number}.") for number, name in enumerate(sorted(names))})


def test_every_preset_is_counted() -> None:
    assert set(WIDTHS) == set(preset_names())


@pytest.mark.parametrize("preset", WIDTHS)
async def test_calls_run_side_by_side_wherever_they_can(preset: str) -> None:
    panel = disagreeing()
    if preset == "rsa":  # its one model disagrees with itself
        panel = Panel({"deepseek": says(*(f"It is {number}." for number in range(60)))})

    result = await panel.run(preset)

    assert panel.widths == WIDTHS[preset]
    assert result["report"]["calls"] == sum(WIDTHS[preset])
    assert result["report"]["failed_calls"] == 0
    assert result["report"]["ended_early"] is None


@pytest.mark.parametrize("preset", WIDTHS)
def test_the_size_is_known_without_a_call(preset: str) -> None:
    size = size_of(create_moa(preset).plan)

    assert (size.calls, size.critical_path) == (sum(WIDTHS[preset]), len(WIDTHS[preset]))


def data(*stages: dict[str, Any]) -> dict[str, Any]:
    return {"models": dict.fromkeys(MODELS), "stages": list(stages)}


def attention(n: int, layers: int) -> dict[str, Any]:
    slots = MODELS[:n]
    layer: list[dict[str, Any]] = [
        {"propose": {"slots": slots}},
        {"critique": {"slots": slots}},
        {"refine": {"slots": slots, "view": "critiques"}},
        {"aggregate": {"slot": "deepseek"}},
    ]
    residual: dict[str, Any] = {"residual": {"slot": "deepseek"}}
    return data(*layer, *(stage for _ in range(layers - 1) for stage in [*layer, residual]))


ATTENTION = {
    (2, 1): [2, 4, 2, 1],
    (3, 1): [3, 9, 3, 1],
    (4, 1): [4, 16, 4, 1],
    (2, 3): [2, 4, 2, 1, 2, 4, 2, 1, 1, 2, 4, 2, 1, 1],
    (5, 2): [5, 25, 5, 1, 5, 25, 5, 1, 1],
}
"""Models, layers -> N answers, N^2 critiques, N refinements, a synthesis; from layer 2 a residual."""


@pytest.mark.parametrize(("n", "layers"), ATTENTION)
async def test_attention_moa_over_models_and_layers(n: int, layers: int) -> None:
    panel = disagreeing()

    await panel.run(attention(n, layers))

    assert panel.widths == ATTENTION[n, layers]


DEBATE = {(2, 2): 4, (3, 2): 6, (3, 4): 12, (6, 3): 18}
"""Models, rounds -> calls."""


@pytest.mark.parametrize(("n", "rounds"), DEBATE)
async def test_debate_over_models_and_rounds(n: int, rounds: int) -> None:
    panel, slots = disagreeing(), MODELS[:n]

    await panel.run(data({"propose": {"slots": slots}}, *[{"refine": {"slots": slots}}] * (rounds - 1), {"vote": {}}))

    assert panel.widths == [n] * rounds
    assert sum(panel.widths) == DEBATE[n, rounds]


COUNCIL = {2: 5, 3: 7, 4: 9, 6: 13}
"""Members -> calls."""


@pytest.mark.parametrize("n", COUNCIL)
async def test_council_over_members(n: int) -> None:
    panel, slots = disagreeing(), MODELS[:n]

    await panel.run(
        data(
            {"propose": {"slots": slots}},
            {"rank": {"slots": slots}},
            {"aggregate": {"slot": "deepseek", "view": "ranked"}},
        )
    )

    assert sum(panel.widths) == COUNCIL[n]
    assert panel.widths == [n, n, 1]


PAIRS = {2: 2, 3: 6, 4: 12, 6: 30}
"""Proposals -> comparisons, each pair in both orders."""


@pytest.mark.parametrize("n", PAIRS)
async def test_pairwise_judging_over_proposals(n: int) -> None:
    panel = disagreeing()

    await panel.run(data({"propose": {"slots": MODELS[:n]}}, {"judge": {"slot": "deepseek", "compare": "pairs"}}))

    assert panel.widths == [n, PAIRS[n]]


WINDOWS = {1: 1, 6: 1, 7: 2, 9: 2, 10: 3, 30: 9, 31: 10, 64: 21}
"""Samples -> aggregations with a window of 6 that keeps the synthesis three times."""


@pytest.mark.parametrize("samples", WINDOWS)
async def test_a_sliding_window_over_samples(samples: int) -> None:
    panel = disagreeing()

    await panel.run(
        data(
            {"propose": {"slots": [{"model": "deepseek", "samples": samples}]}},
            {"aggregate": {"slot": "deepseek", "window": {"size": 6, "keep": 3}}},
        )
    )

    assert panel.widths == [samples] + [1] * WINDOWS[samples]


POPULATIONS = {(4, 1): 9, (8, 2): 25, (16, 2): 49}
"""Members, further steps -> calls."""


@pytest.mark.parametrize(("members", "steps"), POPULATIONS)
async def test_recursive_self_aggregation_over_members_and_steps(members: int, steps: int) -> None:
    panel = disagreeing()
    population = [{"model": "deepseek", "samples": members}]
    step = {"propose": {"slots": population, "view": "random", "members": 4}}

    await panel.run(data({"propose": {"slots": population}}, *[step] * steps, {"aggregate": {"slot": "deepseek"}}))

    assert panel.widths == [members] * (steps + 1) + [1]
    assert sum(panel.widths) == POPULATIONS[members, steps]
