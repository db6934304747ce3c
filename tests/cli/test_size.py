from __future__ import annotations

import re
from typing import Any

import pytest

from moa_graph import Mixture, create_moa, preset_names
from moa_graph.presets import preset_page
from moa_graph.size import Size, size_of


def size(*stages: dict[str, Any]) -> Size:
    return size_of(create_moa(Mixture.from_data({"stages": list(stages)})).plan)


def propose(count: int, **fields: Any) -> dict[str, Any]:
    return {"propose": {"slots": [f"sim:m{index}" for index in range(count)], **fields}}


WRITE = {"aggregate": {"slot": "sim:w"}}


@pytest.mark.parametrize(
    ("proposers", "layers", "calls"), [(1, 1, 1), (1, 2, 2), (3, 2, 4), (3, 3, 7), (6, 3, 13), (6, 4, 19)]
)
def test_layers_of_proposers_make_n_times_l_less_one_plus_one_calls(proposers: int, layers: int, calls: int) -> None:
    found = size(*[propose(proposers)] * (layers - 1), WRITE)
    assert (found.calls, found.critical_path, found.may_end_early) == (calls, layers, ())


def test_samples_are_calls_side_by_side() -> None:
    found = size({"propose": {"slots": [{"model": "sim:a", "samples": 5}]}}, WRITE)
    assert (found.calls, found.critical_path) == (6, 2)


def test_choosing_without_a_model_is_no_call() -> None:
    found = size(propose(4), {"vote": {"extract": "number"}})
    assert (found.calls, found.critical_path) == (4, 1)


def test_what_is_left_out_is_not_criticised() -> None:
    critics = {"critique": {"slots": ["sim:a", "sim:b"]}}
    assert size(propose(5), critics, WRITE).calls == 5 + 2 * 5 + 1
    assert size(propose(5), {"diverse": {"keep": 3}}, critics, WRITE).calls == 5 + 2 * 3 + 1


def test_pairs_are_judged_in_both_orders() -> None:
    assert size(propose(4), {"judge": {"slot": "sim:j", "compare": "pairs"}}).calls == 4 + 4 * 3


def test_the_steps_of_a_window_come_one_after_another() -> None:
    samples = {"propose": {"slots": [{"model": "sim:a", "samples": 30}]}}
    found = size(samples, {"aggregate": {"slot": "sim:w", "window": {"size": 6, "keep": 3}}})
    assert (found.calls, found.critical_path) == (39, 10)


def test_a_stage_that_may_end_the_run_is_named() -> None:
    assert size(propose(3), {"stop": {}}, WRITE).may_end_early == ("stop",)


@pytest.mark.parametrize("name", preset_names())
def test_a_presets_page_says_its_size(name: str) -> None:
    page, found = preset_page(name), size_of(create_moa(name).plan)
    written = re.search(r"^Calls: (.*?)Critical path: (?:[^.]*= )?(.*?)$", page, re.MULTILINE | re.DOTALL)
    assert written is not None
    assert max(int(number) for number in re.findall(r"\b\d+\b", written[1])) == found.calls
    if path := re.match(r"(\d+) calls?\.", written[2]):
        assert int(path[1]) == found.critical_path
