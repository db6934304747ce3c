"""Several things at the same time, of which none outlives the others' failure."""

from __future__ import annotations

import asyncio

import pytest

from moa_graph.side_by_side import side_by_side

pytestmark = pytest.mark.virtual_clock


async def after(seconds: float, ended: list[float]) -> float:
    try:
        await asyncio.sleep(seconds)
    finally:
        ended.append(seconds)
    return seconds


async def failing(seconds: float) -> float:
    await asyncio.sleep(seconds)
    raise ValueError(f"after {seconds} s")


async def test_the_results_stand_in_the_order_of_the_work() -> None:
    ended: list[float] = []
    assert await side_by_side([after(seconds, ended) for seconds in (3, 1, 2)]) == [3, 1, 2]
    assert ended == [1, 2, 3]


async def test_where_one_fails_the_others_have_ended_when_its_own_error_comes() -> None:
    ended: list[float] = []
    began = asyncio.get_running_loop().time()
    with pytest.raises(ValueError, match="after 1 s"):
        await side_by_side([after(60, ended), failing(1), after(70, ended)])
    assert sorted(ended) == [60, 70]
    assert asyncio.get_running_loop().time() - began == 1


async def test_one_alone_fails_as_it_does() -> None:
    with pytest.raises(ValueError, match="after 1 s"):
        await side_by_side([failing(1)])


async def test_cancelling_ends_all() -> None:
    ended: list[float] = []
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            await side_by_side([after(60, ended), after(70, ended)])
    assert sorted(ended) == [60, 70]
