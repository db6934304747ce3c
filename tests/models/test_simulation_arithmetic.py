from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moa_graph.models.simulation.arithmetic import find_sum, written, wrong_numbers


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("What is 17 * 24 + 3?", "411"),
        ("17 x 24 + 3 = ?", "411"),
        ("What is 17 times 24 plus 3?", "411"),
        ("Please compute 6 × 7, and explain.", "42"),
        ("(2 + 3) * (4 - 1)", "15"),
        ("Calculate 7 / 2", "3.5"),
        ("What is 7 // 2?", "3"),
        ("17 % 5", "2"),
        ("2 ** 10", "1024"),
        ("2^10", "1024"),
        ("What is 0.1 + 0.2?", "0.3"),
        ("1,234 + 1", "1235"),
        ("1. What is 3 + 4?", "7"),
        ("it costs (3 + 4) euros", "7"),
        ("What is -3 + 5?", "2"),
        ("144 divided by 12", "12"),
        ("12-5", "7"),
        ("-2 ** 2", "-4"),
        ("2 ** -1", "0.5"),
        ("2 ** 3 ** 2", "512"),
        ("10 - 4 - 3", "3"),
        ("-(2 + 3) * 2", "-10"),
    ],
)
def test_a_sum_in_a_text_is_computed(text: str, answer: str) -> None:
    found = find_sum(text)
    assert found is not None
    assert written(found.value) == answer


@pytest.mark.parametrize(
    "text",
    [
        "Name 3 rivers",
        "Answer in 3-5 sentences.",
        "We are open 24/7",
        "the meeting of 2024-05-06",
        "Use python3 + git",
        "1 / 0",
        "",
        "* + -",
    ],
)
def test_a_text_without_a_sum_has_none(text: str) -> None:
    assert find_sum(text) is None


@pytest.mark.parametrize(
    "text",
    ["9**9**9**9", "2 ** 100000000", "10 ** -999999999", "9" * 5000, "(" * 3000, "1+" * 3000, "- " * 3000, "1-" * 3000],
)
def test_hostile_sums_are_left_alone_at_once(text: str) -> None:
    began = time.perf_counter()
    find_sum(text)
    assert time.perf_counter() - began < 1


small = st.integers(min_value=0, max_value=999)


@given(small, st.sampled_from("+-*/"), small, st.sampled_from("+-*"), small)
def test_sums_are_computed_as_exact_arithmetic_does(a: int, one: str, b: int, other: str, c: int) -> None:
    if one == "/" and b == 0:
        return
    expected = eval(f"Fraction({a}) {one} Fraction({b}) {other} Fraction({c})", {"Fraction": Fraction})
    found = find_sum(f"What is {a} {one} {b} {other} {c}?")
    assert found is not None
    assert found.value == expected


@given(st.fractions())
def test_wrong_numbers_are_never_the_right_one(value: Fraction) -> None:
    wrong = wrong_numbers(value)
    assert wrong
    assert written(value) not in wrong
    assert len(set(wrong)) == len(wrong)


@given(st.text(max_size=200))
def test_no_text_makes_looking_for_a_sum_fail(text: str) -> None:
    find_sum(text)
