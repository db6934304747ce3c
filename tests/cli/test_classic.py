from __future__ import annotations

from typing import Any

import pytest

from moa_graph import Mixture
from moa_graph.cli.choice import MixtureChoice
from moa_graph.cli.classic import with_flags
from moa_graph.errors import MixtureError
from moa_graph.mixture import propose_and_aggregate


def mixture(layers: int = 2, **fields: Any) -> Mixture:
    models = {name: f"sim:{name}" for name in "abw"}
    aggregator = {"model": "w", "fallbacks": ["a"]}
    return propose_and_aggregate(["a", {"model": "b", "temperature": 0.1}], aggregator, layers, models=models, **fields)


def slots(changed: Mixture) -> list[list[str]]:
    return [[str(slot.model) for slot in stage.all_slots()] for stage in changed.stages]


def test_without_flags_the_mixture_is_the_same() -> None:
    assert with_flags(mixture(), MixtureChoice()) == mixture()


def test_another_aggregator_keeps_its_fallbacks() -> None:
    changed = with_flags(mixture(), MixtureChoice(aggregator="b"))
    assert slots(changed) == [["a", "b"], ["b"]]
    assert changed.stages[-1].all_slots()[0].fallbacks == ("a",)


def test_reference_models_propose_in_every_layer() -> None:
    changed = with_flags(mixture(layers=3), MixtureChoice(reference_models=("sim:x", "w")))
    assert slots(changed) == [["sim:x", "w"], ["sim:x", "w"], ["w"]]


@pytest.mark.parametrize(("rounds", "layers"), [(0, 1), (1, 2), (3, 4)])
def test_rounds_are_layers_less_one(rounds: int, layers: int) -> None:
    assert slots(with_flags(mixture(), MixtureChoice(rounds=rounds))) == [["a", "b"]] * (layers - 1) + [["w"]]


def test_an_aggregator_alone_is_given_proposers() -> None:
    changed = with_flags(mixture(layers=1), MixtureChoice(reference_models=("a", "b"), max_tokens=7))
    assert slots(changed) == [["a", "b"], ["w"]]
    assert [slot.max_tokens for slot in changed.stages[0].all_slots()] == [7, 7]


def test_temperature_and_max_tokens_are_those_of_every_slot() -> None:
    changed = with_flags(mixture(), MixtureChoice(temperature=0.3, max_tokens=99))
    found = [(slot.temperature, slot.max_tokens) for stage in changed.stages for slot in stage.all_slots()]
    assert found == [(0.3, 99)] * 3


def test_name_budget_and_models_stay() -> None:
    before = mixture(budget={"calls": 9}, name="mine", min_live=2)
    after = with_flags(before, MixtureChoice(rounds=2))
    assert (after.name, after.budget, after.min_live, after.models) == ("mine", before.budget, 2, before.models)


@pytest.mark.parametrize(
    ("layers", "choice", "named"),
    [
        (1, MixtureChoice(rounds=2), "--reference-models"),
        (2, MixtureChoice(rounds=0, reference_models=("a",)), "--rounds 0"),
    ],
)
def test_what_cannot_work_is_refused(layers: int, choice: MixtureChoice, named: str) -> None:
    with pytest.raises(MixtureError, match=named):
        with_flags(mixture(layers), choice)


def test_a_mixture_of_other_stages_has_no_rounds() -> None:
    judged = Mixture.from_data({"stages": [{"propose": {"slots": ["sim:a", "sim:b"]}}, {"judge": {"slot": "sim:c"}}]})
    with pytest.raises(MixtureError, match="--rounds"):
        with_flags(judged, MixtureChoice(rounds=2))


def test_slots_within_branches_are_changed_too() -> None:
    branch = {"when": "always", "stages": [{"aggregate": {"slot": "sim:b"}}]}
    route = {"slot": "sim:r", "routes": {"one": branch, "other": branch}, "default": "one"}
    routed = Mixture.from_data({"stages": [{"route": route}]})
    changed = with_flags(routed, MixtureChoice(max_tokens=7)).to_data()["stages"][0]["route"]
    inner = [way["stages"][0]["aggregate"]["slot"]["max_tokens"] for way in changed["routes"].values()]
    assert [changed["slot"]["max_tokens"], *inner] == [7, 7, 7]
