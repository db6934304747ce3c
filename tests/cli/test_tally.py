from __future__ import annotations

from typing import Any

import pytest

from moa_graph.cli.tally import Tally, counted, money

USAGE = {"input": 10, "output": 5, "cached": 0}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def event(type: str, **fields: Any) -> Any:
    about = {"mixture": "m", "stage": "layer_1", "slot": "qwen", "sample": 0, "attempt": 1, "model": "sim:qwen"}
    return {"type": type, **about, **fields}


def finished(cost: float | None = 0.001, **fields: Any) -> Any:
    facts = {"status": "live", "failure": None, "hit": False, "usage": USAGE, "cost": cost, "estimated": False}
    return event("call_finished", **{**facts, "seconds": 1.0, **fields})


def recorded(failure: str | None = None, **fields: Any) -> Any:
    status = "failed" if failure else "live"
    words = {"kind": failure, "message": "?"} if failure else None
    return event("record_finished", status=status, failure=words, kind="proposal", notes=[], seconds=1.0, **fields)


def state_after(*events: Any) -> str:
    tally = Tally()
    tally.note({"type": "run_started", "mixture": "m", "simulated": True, "stages": {"layer_1": ["qwen"]}})
    for one in events:
        tally.note(one)
    return tally.line("layer_1", "qwen").state


def test_a_slot_goes_from_waiting_over_asking_to_answered() -> None:
    assert state_after() == "waiting"
    assert state_after(event("call_started")) == "asking"
    assert state_after(event("call_started"), finished(), recorded()) == "answered"


def test_a_further_attempt_is_told() -> None:
    broken = finished(status="failed", failure={"kind": "server", "message": "500"})
    assert state_after(event("call_started"), broken) == "server, trying again"
    assert state_after(event("call_started"), broken, event("call_started", attempt=2)) == "asking, attempt 2"


def test_failed_cut_and_stored_are_told_apart() -> None:
    assert state_after(event("call_started"), finished(), recorded("timeout")) == "failed: timeout"
    assert state_after(event("call_started"), finished(), recorded("cut")) == "cut"
    assert state_after(event("call_started"), finished(hit=True), recorded()) == "stored"


def test_samples_of_a_slot_are_counted() -> None:
    started = [event("call_started", sample=sample) for sample in range(3)]
    assert state_after(*started, recorded(sample=0), recorded("timeout", sample=2)) == "1 of 3 answered, timeout"


def test_what_runs_is_writing_once_the_answer_comes_and_stopped_once_it_is_stopped() -> None:
    tally = Tally()
    tally.note(event("call_started"))
    tally.answer_begun()
    assert tally.line("layer_1", "qwen").state == "writing"
    tally.stopped()
    assert tally.line("layer_1", "qwen").state == "stopped"


def test_the_time_of_a_slot_runs_until_it_has_its_answer() -> None:
    clock = Clock()
    tally = Tally(clock)
    tally.note(event("call_started"))
    clock.now = 2.5
    assert tally.seconds(tally.line("layer_1", "qwen")) == 2.5
    tally.note(recorded())
    clock.now = 9.0
    assert tally.seconds(tally.line("layer_1", "qwen")) == 1.0


def test_calls_in_flight_and_what_was_spent_are_counted() -> None:
    tally = Tally()
    for one in (event("call_started"), event("call_started", sample=1), finished()):
        tally.note(one)
    spent = tally.spent()
    assert (tally.in_flight, spent.calls, spent.tokens, spent.price()) == (1, 1, 15, "$0.0010")


@pytest.mark.parametrize(
    ("costs", "shown"), [([0.5, 0.25], "$0.75"), ([0.5, None], "$0.50 + ?"), ([None], "?"), ([0.0], "$0"), ([], "$0")]
)
def test_what_is_not_known_is_never_shown_as_nothing(costs: list[float | None], shown: str) -> None:
    tally = Tally()
    for cost in costs:
        tally.note(finished(cost))
    assert tally.spent().price() == shown


def test_an_estimate_is_marked() -> None:
    tally = Tally()
    tally.note(finished(0.5, estimated=True))
    assert tally.spent().price() == "~$0.50"


@pytest.mark.parametrize(
    ("dollars", "shown"), [(0, "$0"), (12.3, "$12.30"), (0.05, "$0.050"), (0.00123, "$0.0012"), (3e-6, "$0.0000030")]
)
def test_money_shows_two_digits_that_say_something(dollars: float, shown: str) -> None:
    assert money(dollars) == shown


def test_one_is_not_many() -> None:
    assert (counted(1, "call"), counted(1200, "token")) == ("1 call", "1,200 tokens")
