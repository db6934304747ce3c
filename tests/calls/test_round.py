"""A round by itself: what it does to the calls inside."""

from __future__ import annotations

import asyncio
import gc

import pytest

from moa_graph.calls.round import CallTimedOut, Closed, Round, Rounds

pytestmark = pytest.mark.virtual_clock


def now() -> float:
    return asyncio.get_running_loop().time()


async def call(round: Round, seconds: float, timeout: float | None = None) -> str:
    try:
        async with round.limit(timeout):
            await asyncio.sleep(seconds)
    except Closed as closed:
        return closed.reason
    except CallTimedOut:
        return "timeout"
    round.count_live()
    return "live"


async def opened(**settings: float) -> Round:
    round = Round(**settings)  # type: ignore[arg-type]
    round.open()
    return round


async def test_a_quorum_cuts_the_others_after_its_grace() -> None:
    round = await opened(quorum=1, grace=2)
    assert list(await asyncio.gather(call(round, 1), call(round, 2.5), call(round, 9))) == [
        "live",
        "live",
        "the quorum was reached",
    ]
    assert now() == 3


async def test_a_later_success_does_not_lengthen_the_grace() -> None:
    round = await opened(quorum=1, grace=2)
    await asyncio.gather(call(round, 1), call(round, 2.9), call(round, 9))
    assert now() == 3


async def test_the_deadline_comes_before_a_longer_grace() -> None:
    round = await opened(quorum=1, grace=10, time=4)
    assert list(await asyncio.gather(call(round, 1), call(round, 9))) == ["live", "the deadline was reached"]
    assert now() == 4


async def test_a_call_of_a_closed_round_is_not_begun() -> None:
    round = await opened(quorum=1, live=1)
    begun = False
    with pytest.raises(Closed, match="the quorum was reached"):
        async with round.limit(None):
            begun = True
    assert not begun


async def test_no_time_left_closes_a_round_at_once() -> None:
    assert await call(await opened(time=-1), 1) == "the deadline was reached"
    assert now() == 0


async def test_a_calls_own_timeout_is_not_the_rounds() -> None:
    round = await opened(time=10)
    assert list(await asyncio.gather(call(round, 9, timeout=2), call(round, 5))) == ["timeout", "live"]
    assert round.reason is None


async def test_a_timeout_error_of_the_body_is_its_own() -> None:
    round = await opened(time=10)
    with pytest.raises(TimeoutError, match="mine"):
        async with round.limit(5):
            raise TimeoutError("mine")


class Run:
    pass


async def test_a_round_goes_with_its_run() -> None:
    rounds, run = Rounds(), Run()

    async def make() -> Round:
        return Round()

    async with rounds.join("key", run, make) as first:
        pass
    async with rounds.join("key", run, make) as second:
        pass
    assert first is second
    del run
    gc.collect()
    assert len(rounds) == 0


async def test_two_that_come_at_once_share_one_round() -> None:
    rounds, run = Rounds(), Run()

    async def make() -> Round:
        await asyncio.sleep(1)
        return Round()

    async def join() -> Round:
        async with rounds.join("key", run, make) as round:
            return round

    first, second = await asyncio.gather(join(), join())
    assert first is second
    assert rounds.leave("key") == 0
    assert rounds.leave("key") is None
