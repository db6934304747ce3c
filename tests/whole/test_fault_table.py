"""What a mixture makes of everything that a server can do wrong: the table of docs/faults.md, over a real socket."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from moa_graph.errors import TooFewProposals
from moa_graph.server.simulator import RunningSimulator
from tests.whole.accounts import assert_all_is_well
from tests.whole.mixtures_over_http import (
    ANSWER,
    KEY,
    KEY_VARIABLE,
    PROPOSERS,
    Run,
    four_and_a_writer,
    profile,
    run,
)

BAD_KEY = f"Incorrect API key provided: {KEY}."
T = 2
"""Tries that the mixture allows."""

TIMEOUT = 0.6
"""Seconds, in the row that meets it; the others have the time they need."""

ONCE = {"first": 1}


def status(status: int, **more: Any) -> dict[str, Any]:
    return {"kind": "status", "status": status, **more}


def kind(kind: str) -> dict[str, Any]:
    return {"kind": kind}


@dataclass(frozen=True)
class Row:
    """One fault and what is expected of it.

    Args:
        name: Of the fault.
        fault: What the server does.
        failure: Kind of the failure; None where the answer comes all the same.
        requests: How often each model that has it is asked.
        one: With the fault on one of four proposers: how many live proposals the answer is made of.
        all: On all four.
        aggregator: On the aggregator, which has no fallback.
        says: Word of the failure's message, or of the live record's notes.
    """

    name: str
    fault: Mapping[str, Any]
    failure: str | None
    requests: int
    one: int
    all: Literal["answer", "error"]
    aggregator: Literal["answer", "degraded"]
    says: str = ""


# fmt: off
TABLE = [
    #   fault             what the server does               kind      asked one  all       aggregator
    Row("401",             status(401, message=BAD_KEY),      "auth",         1, 3, "error",  "degraded", KEY_VARIABLE),
    Row("403",             status(403),                       "auth",         1, 3, "error",  "degraded", KEY_VARIABLE),
    Row("400",             status(400),                       "bad_request",  1, 3, "error",  "degraded"),
    Row("422",             status(422),                       "bad_request",  1, 3, "error",  "degraded"),
    Row("404 model",       status(404),                       "not_served",   1, 3, "error",  "degraded", "moa models"),
    Row("429 Retry-After", status(429, retry_after=1) | ONCE, None,           2, 4, "answer", "answer"),
    Row("429 always",      status(429),                       "rate_limited", T, 3, "error",  "degraded"),
    Row("500 once",        status(500) | ONCE,                None,           2, 4, "answer", "answer"),
    Row("503 once",        status(503) | ONCE,                None,           2, 4, "answer", "answer"),
    Row("500 always",      status(500),                       "server",       T, 3, "error",  "degraded"),
    Row("reset",           kind("reset"),                     "connection",   T, 3, "error",  "degraded"),
    Row("refused",         {},                                "connection",   T, 3, "error",  "degraded"),
    Row("hang",            kind("hang"),                      "timeout",      1, 3, "error",  "degraded"),
    Row("stops once",      kind("broken_stream") | ONCE,      None,           2, 4, "answer", "answer"),
    Row("stops midway",    kind("broken_stream"),             "connection",   T, 3, "error",  "degraded"),
    Row("empty content",   kind("empty"),                     "empty",        1, 3, "error",  "degraded"),
    Row("malformed body",  kind("malformed"),                 "server",       T, 3, "error",  "degraded"),
    Row("refusal",         kind("refusal"),                   "refused",      1, 3, "error",  "degraded"),
    Row("length",          kind("length"),                    None,           1, 4, "answer", "answer", "max_tokens"),
]
# fmt: on


def faulty(row: Row, slot: str) -> str:
    """The simulated model that has the fault in a slot; each slot has its own, so that the server counts it apart."""
    return f"{row.name}, {slot}"


PROFILES = [
    *(profile(name) for name in (*PROPOSERS, "w", "spare")),
    *(profile(faulty(row, slot), faults=[row.fault]) for row in TABLE if row.fault for slot in (*PROPOSERS, "w")),
]


@pytest.fixture(scope="module")
def refusing() -> Iterator[str]:
    """An address where nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/v1"


@dataclass(frozen=True)
class Bench:
    """Runs mixtures in which some slots have a row's fault."""

    sdk: str
    simulator: RunningSimulator
    refusing: str

    async def run(self, row: Row, slots: tuple[str, ...], *, fallbacks: tuple[str, ...] = (), watched: bool) -> Run:
        refused = row.name == "refused"
        graph = four_and_a_writer(
            self.sdk,
            self.simulator,
            {} if refused else {slot: faulty(row, slot) for slot in slots},
            base_urls=dict.fromkeys(slots, self.refusing) if refused else None,
            slot={"tries": T, "timeout": TIMEOUT if row.failure == "timeout" else 10},
            fallbacks=fallbacks,
        )
        seen = await run(graph, watched=watched)
        await assert_all_is_well(seen, self.simulator, reached=not refused)
        for slot in slots:
            self._check_requests(row, slot, seen)
        return seen

    def _check_requests(self, row: Row, slot: str, seen: Run) -> None:
        asked = [call for call in seen.told("call_finished", slot=slot) if not call["model"].endswith("spare")]
        again_unstreamed = slot == "w" and row.failure == "empty"  # as after any stream that held nothing
        assert len(asked) == row.requests + again_unstreamed
        if row.name == "refused":
            return
        tally = self.simulator.stats()["models"][faulty(row, slot)]
        assert tally["requests"] == row.requests + again_unstreamed
        gap = row.fault.get("retry_after", 0)
        assert all(later - earlier >= gap for earlier, later in itertools.pairwise(tally["arrivals"]))
        if row.failure == "timeout":
            assert asked[0]["seconds"] == pytest.approx(TIMEOUT, rel=0.1)
            assert tally["aborted"] == 1


@pytest.fixture
def bench(sdk: str, simulator: RunningSimulator, refusing: str) -> Bench:
    return Bench(sdk, simulator, refusing)


each_row = pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
watched_or_not = pytest.mark.parametrize("watched", [True, False], ids=["streamed", "plain"])


def check_record(row: Row, record: dict[str, Any]) -> None:
    failure = record["failure"]
    assert (failure and failure["kind"]) == row.failure
    assert row.says in (failure["message"] if failure else " ".join(record["notes"]))


@each_row
async def test_one_of_four_proposers(bench: Bench, row: Row) -> None:
    seen = await bench.run(row, ("b",), watched=False)
    check_record(row, seen.record("b"))
    assert seen.answer.endswith(ANSWER)
    assert seen.report["stages"][0]["live"] == row.one
    assert seen.report["degraded"] == []


@each_row
async def test_all_four_proposers(bench: Bench, row: Row) -> None:
    seen = await bench.run(row, PROPOSERS, watched=False)
    for slot in PROPOSERS:
        check_record(row, seen.record(slot))
    if row.all == "answer":
        assert seen.report["stages"][0]["live"] == 4
        assert seen.answer
        return
    assert isinstance(seen.error, TooFewProposals)
    assert len(seen.error.reasons) == 4
    for slot in PROPOSERS:
        assert f"layer_1/{slot}: {row.failure}: " in str(seen.error)
    assert str(seen.error).count(row.says or "layer_1/") == 4


@watched_or_not
@each_row
async def test_the_aggregator(bench: Bench, row: Row, watched: bool) -> None:
    seen = await bench.run(row, ("w",), watched=watched)
    check_record(row, seen.record("w"))
    assert seen.report["stages"][0]["live"] == 4
    if row.aggregator == "degraded":
        (reason,) = seen.report["degraded"]
        assert "this is a's own" in reason
        assert seen.state["messages"][-1].response_metadata["degraded"] == [reason]
        assert seen.answer == next(record["text"] for record in seen.state["records"] if record["slot"] == "a")
    else:
        assert seen.report["degraded"] == []
    if watched:
        check_the_screen(seen, row)


@each_row
async def test_the_aggregator_with_a_fallback(bench: Bench, row: Row) -> None:
    seen = await bench.run(row, ("w",), fallbacks=("spare",), watched=True)
    record = seen.record("w")
    assert record["failure"] is None
    assert seen.report["degraded"] == []
    if row.failure is not None:
        assert record["model"].endswith(":spare")
        assert f"w failed ({row.failure})" in record["notes"][0]
        assert row.says in record["notes"][0]
        assert seen.answer.endswith(ANSWER)
    check_the_screen(seen, row)


def check_the_screen(seen: Run, row: Row) -> None:
    """Nothing is shown twice, and what is shown at the end is the answer."""
    breaks = row.fault.get("kind") == "broken_stream"
    failed = row.requests if row.failure else row.requests - 1
    assert len(seen.told("reset")) == (failed if breaks else 0)
    assert seen.on_screen() == seen.answer
    assert seen.pieces[-1][0] == seen.state["messages"][-1].id
