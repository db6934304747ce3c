"""A recorded run comes back without a request, and only what depends on a change is asked anew; over a real socket."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from moa_graph import create_moa
from moa_graph.errors import StoreMiss
from moa_graph.graph import MoaGraph
from moa_graph.server.simulator import RunningSimulator
from moa_graph.store import Store, open_store
from tests.whole.accounts import assert_all_is_well
from tests.whole.mixtures_over_http import KEY, Run, model, profile, run

ESSAY = [("user", "Write an essay on mixtures of models, and on why they help those who build with models.")]
SUM = [("user", "What is 17 * 24 + 3?")]
ERRING = {"skill": {"any": 0.0, "arithmetic": 0.0}, "correlation": 0.0}  # so that models and samples disagree
CALLS = 3 + 3 + 1

PROFILES = [
    *(profile(name, **ERRING) for name in ("a", "b", "c", "w", "other", "spare")),
    profile("unlucky", faults=[{"kind": "status", "status": 500, "first": 1}]),
    profile("no-temperature", faults=[{"kind": "unsupported_parameter", "param": "temperature"}]),
    profile("narrow", window=500),
    profile("down", faults=[{"kind": "status", "status": 400}]),
]


@pytest.fixture(params=["sqlite", "jsonl"])
def recording(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"recording.{request.param}"


def three_layers(
    simulator: RunningSimulator,
    store: Store,
    changed: Mapping[tuple[int, str], str] | None = None,
    **aggregate: Any,
) -> MoaGraph:
    """Slots ``a``, ``b`` and ``c`` in two layers, and the aggregator ``w``.

    Args:
        simulator: Where the models are.
        store: Where calls are kept.
        changed: Layer and slot -> the model that is asked in its place.
        aggregate: Fields of the last stage.
    """
    others = changed or {}

    def slot(layer: int, name: str) -> dict[str, str]:
        return {"name": name, "model": others.get((layer, name), name)}

    stages: list[dict[str, Any]] = [{"propose": {"slots": [slot(layer, name) for name in "abc"]}} for layer in (1, 2)]
    stages.append({"aggregate": {"slot": slot(3, "w"), **aggregate}})
    models = {one.name: model("openai", one.name, simulator.base_url) for one in PROFILES}
    return create_moa({"name": "three-layers", "models": models, "stages": stages}, store=store)


async def run_with(simulator: RunningSimulator, recording: Path, mode: Any, *changes: Any, **more: Any) -> Run:
    """One run with the recording, the server counting from nought."""
    simulator.reset()
    missing, question = more.pop("missing", "fail"), more.pop("question", ESSAY)
    async with open_store(recording, mode, missing=missing) as store:
        return await run(three_layers(simulator, store, *changes, **more), question)


def requests(simulator: RunningSimulator) -> Counter[str]:
    """What the server was asked, by model."""
    return Counter({name: tally["requests"] for name, tally in simulator.stats()["models"].items()})


def without_times_and_payment(report: Mapping[str, Any]) -> dict[str, Any]:
    """What two reports have in common when one tells of calls and the other of the same calls as hits."""
    stages = [{name: value for name, value in stage.items() if name != "seconds"} for stage in report["stages"]]
    paid = {"calls", "hits", "cost", "known_cost", "seconds", "stages"}
    return {name: value for name, value in report.items() if name not in paid} | {"stages": stages}


async def test_a_replayed_run_makes_no_request_and_gives_the_same(simulator: RunningSimulator, recording: Path) -> None:
    recorded = await run_with(simulator, recording, "record")
    await assert_all_is_well(recorded, simulator)
    assert simulator.stats()["total"]["requests"] == CALLS
    replayed = await run_with(simulator, recording, "replay")
    assert replayed.error is None
    assert simulator.stats()["total"]["requests"] == 0
    assert replayed.answer.encode() == recorded.answer.encode()
    assert [record["text"] for record in replayed.state["records"]] == [
        record["text"] for record in recorded.state["records"]
    ]
    assert without_times_and_payment(replayed.report) == without_times_and_payment(recorded.report)
    assert (recorded.report["calls"], recorded.report["hits"]) == (CALLS, 0)
    assert (replayed.report["calls"], replayed.report["hits"]) == (0, CALLS)
    assert recorded.report["cost"] > 0
    assert (replayed.report["cost"], replayed.report["known_cost"]) == (0, 0)


async def test_no_key_is_recorded(simulator: RunningSimulator, recording: Path) -> None:
    await run_with(simulator, recording, "record")
    for file in recording.parent.iterdir():
        assert KEY.encode() not in file.read_bytes()


@pytest.mark.parametrize(
    ("question", "changed", "asked"),
    [
        (SUM, {(1, "b"): "other"}, {"other": 1, "a": 1, "b": 1, "c": 1, "w": 1}),  # what they err in is passed on
        (ESSAY, {(2, "b"): "other"}, {"other": 1, "w": 1}),
        (ESSAY, {(3, "w"): "other"}, {"other": 1}),
    ],
    ids=["layer 1", "layer 2", "aggregator"],
)
async def test_exactly_the_calls_that_depend_on_a_changed_model_are_missing(
    simulator: RunningSimulator,
    recording: Path,
    question: Any,
    changed: dict[tuple[int, str], str],
    asked: dict[str, int],
) -> None:
    await run_with(simulator, recording, "record", question=question)
    replayed = await run_with(simulator, recording, "replay", changed, missing="call", question=question)
    assert requests(simulator) == asked
    assert (replayed.report["calls"], replayed.report["hits"]) == (sum(asked.values()), CALLS - sum(asked.values()))
    await assert_all_is_well(replayed, simulator)


async def test_a_missing_call_ends_a_strict_replay_with_an_error_that_names_it(
    simulator: RunningSimulator, recording: Path
) -> None:
    await run_with(simulator, recording, "record")
    replayed = await run_with(simulator, recording, "replay", {(2, "b"): "other"})
    assert isinstance(replayed.error, StoreMiss)
    assert "stage layer_2, slot b, sample 0, model openai:other" in str(replayed.error)
    assert simulator.stats()["total"]["requests"] == 0


async def test_six_samples_are_six_entries(simulator: RunningSimulator, tmp_path: Path) -> None:
    recording = tmp_path / "samples.jsonl"
    models = {"a": model("openai", "a", simulator.base_url, seed=1)}
    stages = [{"propose": {"slots": [{"model": "a", "samples": 6}]}}, {"aggregate": {"slot": "a"}}]
    self_moa = {"name": "self-moa", "models": models, "stages": stages}
    async with open_store(recording, "record") as store:
        recorded = await run(create_moa(self_moa, store=store), SUM)
    await assert_all_is_well(recorded, simulator)
    assert len(recording.read_text().splitlines()) == 6 + 1
    assert len({record["text"] for record in recorded.state["records"] if record["kind"] == "proposal"}) > 1
    simulator.reset()
    async with open_store(recording, "replay") as store:
        replayed = await run(create_moa(self_moa, store=store), SUM)
    assert simulator.stats()["total"]["requests"] == 0
    assert replayed.answer == recorded.answer


async def test_a_missing_sample_is_the_project_s_own_error(simulator: RunningSimulator, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    stages = [{"propose": {"slots": [{"model": "a", "samples": 6}]}}, {"aggregate": {"slot": "a"}}]
    models = {"a": model("openai", "a", simulator.base_url)}
    async with open_store(tmp_path / "empty.jsonl", "replay") as store:
        replayed = await run(create_moa({"name": "self-moa", "models": models, "stages": stages}, store=store))
    assert isinstance(replayed.error, StoreMiss)


@pytest.mark.parametrize(
    ("slot", "requests_of_it"),
    [((1, "unlucky"), 2), ((1, "no-temperature"), 2), ((3, "narrow"), 2)],
    ids=["retried", "asked without a parameter", "asked with a shorter prompt"],
)
async def test_what_was_answered_at_last_is_replayed_at_once(
    simulator: RunningSimulator, tmp_path: Path, slot: tuple[int, str], requests_of_it: int
) -> None:
    layer, name = slot
    changed = {(layer, "w" if layer == 3 else "b"): name}
    recorded = await run_with(simulator, tmp_path / "r.sqlite", "record", changed)
    await assert_all_is_well(recorded, simulator)
    assert requests(simulator)[name] == requests_of_it
    replayed = await run_with(simulator, tmp_path / "r.sqlite", "replay", changed)
    assert simulator.stats()["total"]["requests"] == 0
    assert replayed.answer == recorded.answer


async def test_an_answer_of_a_fallback_is_replayed(simulator: RunningSimulator, tmp_path: Path) -> None:
    changed = {(3, "w"): "down"}
    recorded = await run_with(simulator, tmp_path / "r.sqlite", "record", changed, fallbacks=["spare"])
    assert recorded.record("w")["model"] == "openai:spare"
    replayed = await run_with(simulator, tmp_path / "r.sqlite", "replay", changed, fallbacks=["spare"])
    assert replayed.answer == recorded.answer
    assert replayed.record("w")["notes"][0] == "down isn't in the recording"
    assert simulator.stats()["total"]["requests"] == 0


async def test_a_slot_that_failed_when_it_was_recorded_is_missing(simulator: RunningSimulator, tmp_path: Path) -> None:
    changed = {(1, "b"): "down"}
    recorded = await run_with(simulator, tmp_path / "r.sqlite", "record", changed)
    assert recorded.report["stages"][0]["live"] == 2
    replayed = await run_with(simulator, tmp_path / "r.sqlite", "replay", changed)
    assert isinstance(replayed.error, StoreMiss)
    assert "slot b" in str(replayed.error)
    asked_again = await run_with(simulator, tmp_path / "r.sqlite", "replay", changed, missing="call")
    assert requests(simulator) == {"down": 1}
    assert asked_again.answer == recorded.answer
