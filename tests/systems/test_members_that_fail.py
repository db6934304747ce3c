"""One member fails at a stage: the system still answers, and the report tells what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from moa_graph import RunFailed, preset_names
from moa_graph.presets import load_preset
from tests.models_for_tests import provider_error, scripted
from tests.systems.panel import Panel, described, says

pytestmark = pytest.mark.virtual_clock

NAMES = ["llama-70b", "qwen-72b", "qwen-coder", "deepseek", "qwen-7b", "llama-8b", "gpt", "claude", "gemini"]


def places() -> Iterator[tuple[str, int]]:
    """Every stage of every preset that asks models."""
    for preset in preset_names():
        for index, stage in enumerate(load_preset(preset).stages):
            if stage.all_slots():
                yield preset, index


def broken(preset: str, index: int) -> tuple[Panel, dict[str, Any]]:
    """The preset with one model of one stage in whose place one stands that always fails."""
    panel = Panel({name: says(f"The answer is {number}.") for number, name in enumerate(NAMES)})
    data = described(preset)
    data["models"]["broken"] = {"model": "sim:broken"}
    panel.models["broken"] = scripted("broken", provider_error(400, "it is broken"))
    ((_, fields),) = data["stages"][index].items()
    if "slots" in fields:
        slot = fields["slots"][0]
        label = slot if isinstance(slot, str) else slot.get("name", slot["model"])
        kept = {} if isinstance(slot, str) else slot
        fields["slots"] = [{**kept, "model": "broken", "name": label}, *fields["slots"][1:]]
    elif isinstance(fields["slot"], dict):
        fields["slot"] = {**fields["slot"], "model": "broken", "fallbacks": []}
    else:
        fields["slot"] = "broken"
    return panel, data


ONLY_PROPOSER = {("self-moa", 0), ("self-moa-seq", 0), ("rsa", 0), ("rsa", 4)}
"""Stages whose one model fails leave nothing, or aren't reached: that is in other tests."""


@pytest.mark.parametrize(("preset", "index"), [place for place in places() if place not in ONLY_PROPOSER])
async def test_the_system_answers_and_says_who_failed(preset: str, index: int) -> None:
    panel, data = broken(preset, index)

    result = await panel.run(data)

    report = result["report"]
    assert result["messages"][-1].text
    assert len(panel.models["broken"].journal.asked) >= 1
    failed = [failure for stage in report["stages"] for failure in stage["failed"].values()]
    assert failed
    assert all(failure == {"kind": "bad_request", "message": "HTTP 400: it is broken"} for failure in failed)


DECIDING = {
    ("ranker", 1): "judge gave no judgement: the first live proposals are kept",
    ("rank-then-fuse", 1): "judge gave no judgement: the first live proposals are kept",
    ("fusion", 1): "analyse gave no analysis: the proposals were shown instead",
    ("smoa", 1): "moderate gave no decision: all proposals are kept",
    ("attention-moa", 8): "residual gave no decision: the last round's answer is kept as it is",
    ("attention-moa", 3): "layer_1/synthesis gave no synthesis: what it was shown is passed on",
    ("rmoa", 5): "layer_2/additions gave no decision: the new round's answers are taken as they are",
    ("rmoa", 6): "layer_2/incorporate gave no answer: the answer so far is kept without what the round added",
    ("document", 1): "outline gave no synthesis: what it was shown is passed on",
    ("router", 0): "route gave no decision: the default route, strong, was taken",
}
"""Stages of one model -> what the report says where it fails."""


@pytest.mark.parametrize(("preset", "index"), DECIDING)
async def test_a_failed_decision_takes_the_stated_fallback_and_says_so(preset: str, index: int) -> None:
    panel, data = broken(preset, index)

    result = await panel.run(data)

    assert DECIDING[preset, index] in result["report"]["degraded"]


@pytest.mark.parametrize("preset", ["council", "fusion", "rank-then-fuse", "self-moa", "smoa", "synthetic-data"])
async def test_a_writer_that_fails_leaves_a_proposal_as_the_answer_and_the_report_says_degraded(preset: str) -> None:
    stages = load_preset(preset).stages
    [index] = [index for index, stage in enumerate(stages) if stage.kind == "aggregate"]
    panel, data = broken(preset, index)

    result = await panel.run(data)

    assert "The answer is" in result["messages"][-1].text
    assert result["report"]["degraded"]


async def test_a_cascade_whose_scorer_fails_asks_the_next_model() -> None:
    panel, data = broken("cascade", 1)

    result = await panel.run(data)

    assert len(panel.asked("llama-70b")) == 1
    assert result["messages"][-1].text == "The answer is 3."


@pytest.mark.parametrize(
    ("preset", "failing"),
    [("cascade", ["llama-8b"]), ("cascade", ["llama-8b", "llama-70b"]), ("pyramid-moa", ["llama-8b", "qwen-7b"])],
)
async def test_where_the_cheap_models_fail_the_dear_one_is_asked(preset: str, failing: list[str]) -> None:
    panel = Panel()
    for name in failing:
        panel.models[name] = scripted(name, provider_error(400))
    panel.models["deepseek"] = scripted("deepseek", "deepseek's own")

    result = await panel.run(preset)

    assert result["messages"][-1].text == "deepseek's own"
    assert "layer_1 gave 0 live proposal(s): the turn went on without" in result["report"]["degraded"]


async def test_a_routed_question_whose_model_fails_is_answered_by_another_and_never_by_the_router() -> None:
    panel = Panel({"qwen-7b": says(Odds={"reasoning": "easy", "probability": 0.1})})
    panel.models["llama-70b"] = scripted("llama-70b", provider_error(400))
    panel.models["deepseek"] = scripted("deepseek", "deepseek's own")
    assert (await panel.run("router"))["messages"][-1].text == "deepseek's own"
    assert not panel.asked("qwen-72b")

    panel.models["deepseek"] = scripted("deepseek", provider_error(400))
    with pytest.raises(RunFailed, match="no model gave an answer"):
        await panel.run("router")


async def test_a_jury_combines_the_scores_that_it_has() -> None:
    panel, data = broken("jury", 0)

    result = await panel.run(data)

    assert '"scores": {\n    "qwen-72b": 5.0,\n    "deepseek": 5.0\n  }' in result["messages"][-1].text


async def test_a_jury_of_which_nobody_answers_has_no_answer() -> None:
    panel = Panel()
    for name in ("llama-70b", "qwen-72b", "deepseek"):
        panel.models[name] = scripted(name, provider_error(400))

    with pytest.raises(RunFailed, match="no stage gave an answer"):
        await panel.run("jury")


async def test_a_critic_that_fails_leaves_the_others_suggestions() -> None:
    panel, data = broken("attention-moa", 1)

    await panel.run(data)

    from tests.systems.panel import references

    assert len(references(panel.asked("qwen-72b")[4])) == 2
