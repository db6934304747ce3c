"""What a call may need of a grant and what a grant can pay for, in literal figures."""

from __future__ import annotations

import pytest

from moa_graph.calls.budget import Balance, affordable_bytes, larger, most_of_one_call
from moa_graph.description import Price
from moa_graph.state import Grant

PRICE = Price(input=2, output=4)
FREE_INPUT = Price(input=0, output=4)


def grant(calls: int | None = None, tokens: int | None = None, usd: float | None = None) -> Grant:
    return {"calls": calls, "tokens": tokens, "usd": usd}


def test_a_call_may_need_a_token_a_byte_of_its_prompt_and_all_of_its_answer() -> None:
    assert most_of_one_call(1_000, 500, PRICE) == {"calls": 1, "tokens": 1_500, "usd": pytest.approx(0.004)}
    assert most_of_one_call(1_000, None, None) == {"calls": 1, "tokens": 1_000, "usd": 0.0}


@pytest.mark.parametrize(
    ("left", "price", "most"),
    [
        (grant(), PRICE, None),
        (grant(calls=1), PRICE, None),
        (grant(tokens=1_500), PRICE, 1_000),
        (grant(usd=0.004), PRICE, 1_000),
        (grant(tokens=900, usd=0.004), PRICE, 400),
        (grant(tokens=2_000, usd=0.004), PRICE, 1_000),
        (grant(usd=0.004), FREE_INPUT, None),
        (grant(usd=0.004), None, None),
    ],
)
def test_the_longest_prompt_is_what_tokens_and_dollars_leave_beside_the_answer(
    left: Grant, price: Price | None, most: int | None
) -> None:
    assert affordable_bytes(left, 500, price) == most


def test_of_two_needs_the_larger_is_taken_part_by_part_and_what_is_unbounded_stays_so() -> None:
    assert larger(grant(1, 500, 0.5), grant(2, 100, 0.1)) == grant(2, 500, 0.5)
    assert larger(grant(1, None, 0.5), grant(2, 100, None)) == grant(2, None, None)


def test_a_balance_gets_back_what_a_call_did_not_use() -> None:
    balance = Balance(grant(3, 1_000, 0.01))

    assert balance.reserve(grant(1, 600, 0.006))
    assert not balance.reserve(grant(1, 600, 0.001))
    assert not balance.reserve(grant(1, 100, 0.006))
    balance.settle(grant(1, 600, 0.006), grant(1, 150, 0.002))

    assert balance.left == {"calls": 2, "tokens": 850, "usd": pytest.approx(0.008)}


def test_a_call_that_needs_nothing_of_a_limit_fits_where_nothing_is_left_of_it() -> None:
    assert Balance(grant(0, 0, 0.0)).reserve(grant())
    assert not Balance(grant(0)).reserve(grant(1))
